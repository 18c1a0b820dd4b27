"""The functions of `import bertkit`: arguments in, one library call, a result out.

Reach them as `bertkit.NAME`, see `bertkit.__all__`; where they lie may change.

text, cleaning      from raw text to documents and a vocabulary
records             record files made and read
loops               batches for a training loop of one's own
models              models and tokenizers
pretraining         pretrain and evaluate
finetuning          fine-tune and predict
comparing           record sets, runs and scores compared; the report of runs
checkpoints         convert and push
arguments           inputs, mappings, files and presets as the settings of a library function
"""
