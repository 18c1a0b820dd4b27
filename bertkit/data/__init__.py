"""Turns records into batches, in an order that depends on seed and epoch only."""
