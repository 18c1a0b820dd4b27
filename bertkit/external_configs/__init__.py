"""Configuration files of the systems that bertkit's users come from."""
