"""bertkit's command line on a machine with a stand-in card."""

from __future__ import annotations

import sys

from bertkit.backends.hpu import adapter
from bertkit.cli import main

if __name__ == "__main__":
    adapter.DEVICE_NODES = (__file__,)
    sys.exit(main(sys.argv[1:]))
