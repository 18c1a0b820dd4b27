"""Manifests: what an output folder holds, what it was made from, and what is finished."""
