"""Runs the command line: `bertkit`, and `python -m bertkit`, which `torchrun -m bertkit` needs.

The imports are part of it: Ctrl-C is answered from the first moment on.
"""

import sys


def entry_point() -> None:
    """Console script."""
    try:
        from bertkit import cli

        cli.entry_point()
    except KeyboardInterrupt:
        sys.stderr.write("\nInterrupted.\n")
        sys.exit(130)


if __name__ == "__main__":
    entry_point()
