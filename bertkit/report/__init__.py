"""Reports of runs: curves, HTML pages, trackers and benchmark logs."""
