"""Starts a bertkit command on many devices: command lines, job files and their checks."""
