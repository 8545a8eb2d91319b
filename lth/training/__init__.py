"""The one loop, the one evaluator, and how to train: the recipe."""
