"""Question answering on SQuAD: features, fine-tuning, prediction, scoring."""
