"""The tasks a model is trained and scored on, one package each."""
