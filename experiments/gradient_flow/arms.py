"""The arms of the experiment: rows of the paper's table, and what they are called in results. Imports no torch."""

INITS = {
    "lottery": "ticket",
    "scratch": "reinit",
    "scratch_one_init": "reinit_one_init",
    "scratch_other_inits": "reinit_other_inits",
    "scratch_plus": "reinit_plus",
    "scratch_plus_glorot": "reinit_plus_glorot",
    "prune_restart": "restart",
    "pruned": "pruned",
    "pruned_other_seeds": "pruned_other_seeds",
}
"""Row of the paper's table -> arm in `results.csv`."""
KINDS = {"reinit_one_init": "reinit", "reinit_other_inits": "reinit", "reinit_plus_glorot": "reinit_plus"}
"""Arm that `lth imp` does not have -> the arm of `lth imp` whose training its runs are, with draws of their own."""
METHODS = ("small_dense", "set", "set_plus", "rigl", "rigl_plus")
"""Further arms of the paper; `small_dense` has no mask that an initialiser could be aware of."""
MEANINGS = {
    "reinit_one_init": "as reinit, all runs from one draw",
    "reinit_other_inits": "as reinit, each run from another draw",
    "reinit_plus_glorot": "the level's mask, on a new draw by Glorot's uniform formula with the unmasked fans",
    "pruned": "gradual magnitude pruning in one training, the source of the mask",
    "pruned_other_seeds": "as pruned, each run from other weights and with another order",
}
"""The arms that `lth imp` does not have, in words."""
