"""Training in several processes: how they meet, share gradients, and notice those that are lost."""
