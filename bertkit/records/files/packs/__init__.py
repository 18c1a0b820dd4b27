"""Files of packs: several sequences per record."""
