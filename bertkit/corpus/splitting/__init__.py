"""`bertkit split`: documents to train, valid and test."""
