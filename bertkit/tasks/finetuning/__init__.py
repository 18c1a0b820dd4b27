"""What the tasks of `bertkit finetune` share: settings, files opened, the run, the best model."""
