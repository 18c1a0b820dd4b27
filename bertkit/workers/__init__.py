"""Work in several processes, here or on a cluster, and how it ends."""
