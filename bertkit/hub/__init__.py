"""The model hub: names of models there, their files on this machine, and uploads."""
