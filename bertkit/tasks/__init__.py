"""What a model learns, predicts and is scored on: one package per task."""
