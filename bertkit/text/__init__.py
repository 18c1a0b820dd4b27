"""Text as it lies on the disk: opened, decoded, split into sentences."""
