"""Tags words: named entities, chunks, parts of speech (token classification)."""
