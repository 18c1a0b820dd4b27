"""Extractive summarisation as BERTSum does it: one score per sentence, from its own [CLS].

documents   documents and summaries from files
oracle      which sentences come closest to a given summary: the labels
sentences   a document as one sequence of tokens, cut to the window
choose      the sentences of a summary, by their scores
rouge       how close summaries are to given ones
"""
