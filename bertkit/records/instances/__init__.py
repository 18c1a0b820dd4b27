"""From tokens to training instances: pairs, windows, masks and packs."""
