"""The subcommands, one file each: read the options, call the library, print the result."""
