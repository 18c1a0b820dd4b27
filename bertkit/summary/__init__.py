"""Says what text holds: documents, sentences, words, repeats, scripts, lengths; one pass.

    counter    text in blocks → counts, in bounded memory
    plain      the same for a little text, in readable Python
    counts     what is counted; counts of parts add up
    sketch     how many lines or documents repeat another, exact up to a limit, then sampled
    scripts    the script of a character
    report     counts → figures, text for people, warnings with what to do

On the ground floor, because `extract`, `train-vocab`, `make-records` and `inspect` use it.
"""
