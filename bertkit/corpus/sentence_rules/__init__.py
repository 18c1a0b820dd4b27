"""Knows where sentences end in every script, and which language is written in which.

break_classes  Unicode's Sentence_Break property, as data
unicode_rules  Unicode's rules for sentence ends, tailored for text without mark-up
languages      which rule each language gets, and in which scripts it is written
scripts        in which script a text is written, and whether a language fits it
"""
