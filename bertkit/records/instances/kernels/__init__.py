"""Kernels that make training instances from token ids; conventions: `bertkit.kernels`.

    text as token ids ──> pair_plan ──┬──> materialise   arrays of a batch
                             │        ├──> pack_rows     several instances per row
                           masks      └──> serialise     bytes of a file (records/files/kernels)
                             │
    text as token ids ──> sliding ───────> fill_windows  arrays of a batch

    pair_plan      sentence offsets → sentence pairs: what is paired, cut and swapped
    sliding        tokens of documents → windows that slide over them
    masks          what is masked in a pair or a window, and what replaces it
    materialise    planned pairs → the seven features as arrays
    pack_rows      planned pairs → packs, rows of several sequences

A plan holds no tokens: an instance is two ranges of the text, the masked positions and their
replacements. The readable code that the tests hold these kernels to is `tests/oracle/`.
"""
