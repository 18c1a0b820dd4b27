"""Intel Gaudi, through habana_frameworks.torch."""
