"""Graphcore's configuration files (JSON, YAML)."""
