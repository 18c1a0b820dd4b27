"""Logs of runs in the forms that other programs read, and trackers that follow them."""
