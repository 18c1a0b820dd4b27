"""Files and folders: read, written whole or not at all, found, locked, named.

files         local and remote files, atomic writing, hashes, sizes
input_files   the files that names, globs, folders, lists and URLs stand for
folder_walk   every file of a folder once
inner_names   names from other people's files, before they become paths
temporary     names of what is being written, and what the dead have left
folder_lock   one process at a time writes into a folder
shared_cache  what can be made again
disk_errors   the system's error behind those of libraries
"""
