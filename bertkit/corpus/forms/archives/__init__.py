"""Reads archives of files: every member as the same file outside of the archive.

members      what becomes of a member: left out, an archive itself, or documents
tar_header   tells a tar of any age by its first header
tar_members  the members of a tar, in one pass
tar_spans    where a large tar can be cut
zip_members  the members of a zip, in the order of its index
"""
