"""Runs as curves, pages and benchmark logs."""
