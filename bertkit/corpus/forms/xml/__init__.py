"""Reads XML of any size and encoding: what all forms of XML share.

source    which encoding and root element a file has, and its bytes as UTF-8
elements  elements cut out of a large file, one in memory at a time
text      the character data of an element as paragraphs
abstracts, articles: PubMed's records and PubMed Central's articles
"""
