"""Reports of runs: their numbers, a page of them, logs for other programs, and what files hold."""
