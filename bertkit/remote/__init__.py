"""Files in storage and on web servers: their errors, listings and copies on this machine."""
