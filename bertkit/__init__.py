"""bertkit: pretrain BERT encoders on your own text, on any accelerator."""

__version__ = "0.2.0"
