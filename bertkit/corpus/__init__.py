"""From a raw dump to documents and sentences."""
