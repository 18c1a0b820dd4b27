"""Models and tokenizers for programs of one's own: padded tensors in, logits out.

tokenizer   texts as the tensors of a model, and back
model       a checkpoint as a torch module that is called as transformers' models are
heads       what each kind of model gives back
opening     a checkpoint of any format as such a module
"""
