"""Habana's programs in job files and shell scripts."""
