"""BERT and its heads in plain PyTorch."""
