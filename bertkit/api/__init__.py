"""The functions of `import bertkit`: arguments in, one library call, a result out.

Reach them as `bertkit.NAME`, see `bertkit.__all__`; where they lie may change.

text, records       from raw text to record files, and record files read
loops               batches for a training loop of one's own
models              models and tokenizers
pretraining         pretrain and evaluate
finetuning          fine-tune and predict
checkpoints         convert
arguments           inputs, mappings, files and presets as the settings of a library function
"""
