"""Files and folders: read, written whole or not at all, found, locked, named."""
