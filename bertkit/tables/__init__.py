"""Tables of examples in memory: CSV, TSV, JSON lines and Parquet, by named columns."""
