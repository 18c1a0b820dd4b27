"""`python -m bertkit`, also the form `torchrun -m bertkit` needs."""

from bertkit.cli import entry_point

if __name__ == "__main__":
    entry_point()
