"""bertkit: pretrain BERT encoders on your own text, on any accelerator."""

__version__ = "0.1.0"
