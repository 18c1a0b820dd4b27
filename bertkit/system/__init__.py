"""What the operating system knows of processes and memory, on Linux, macOS and Windows."""
