"""Runs the command line for `python -m bertkit`, which `torchrun -m bertkit` needs as well."""

from bertkit.cli import entry_point

if __name__ == "__main__":
    entry_point()
