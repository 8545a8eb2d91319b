"""Data sets as tensors: sources, splits, batches by address."""
