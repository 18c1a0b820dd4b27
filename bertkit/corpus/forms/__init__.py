"""The forms raw text comes in: one file per form."""
