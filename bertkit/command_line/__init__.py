"""What all commands have in common on the command line: options, help pages, completion."""
