"""Names what a file or folder is, for messages about the wrong thing in the right place."""
