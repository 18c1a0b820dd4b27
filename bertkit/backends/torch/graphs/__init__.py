"""Records a training step on a GPU and starts it anew by one call: CUDA graphs."""
