"""The backend for Cerebras systems, through cerebras.pytorch."""
