"""JSON schemas of the files that `--config` takes, for editors."""
