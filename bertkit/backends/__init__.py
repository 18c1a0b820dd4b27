"""Backends: one adapter per kind of hardware that training can run on."""
