"""Data as tensors: where they come from, splits, batches by address."""
