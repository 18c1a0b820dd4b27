"""Work in several processes, here or on a cluster, and how it ends.

pool         runs tasks in processes or on Dask
engine       says where the tasks of a command run
spawned      ends workers that run the user's script
termination  SIGTERM as an exception, and signals held back
"""
