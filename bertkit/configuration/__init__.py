"""Settings: from defaults, files, environment and flags, with the origin of each."""
