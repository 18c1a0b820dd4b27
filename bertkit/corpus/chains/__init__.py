"""The exact text of others: MLPerf's Wikipedia, Cerebras' PubMed."""
