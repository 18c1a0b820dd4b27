"""Scores of several seeds and encoders, side by side."""
