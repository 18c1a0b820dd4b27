"""Makes the page of `bertkit report`, section by section."""
