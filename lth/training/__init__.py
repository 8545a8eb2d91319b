"""Training: the recipe, the one loop, the one evaluator, observers and checkpoints."""
