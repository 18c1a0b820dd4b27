"""Extractive summarisation as BERTSum does it: one score per sentence, from its own [CLS].

oracle      which sentences come closest to a given summary: the labels
choose      the sentences of a summary, by their scores
rouge       how close summaries are to given ones
"""
