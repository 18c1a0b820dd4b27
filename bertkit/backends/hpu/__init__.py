"""The backend for Intel Gaudi, through habana_frameworks.torch."""
