"""One label, several labels or a score for a text or a pair of texts."""
