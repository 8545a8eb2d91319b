"""The arms of the experiment: rows of the paper's table, and what they are called in results. Imports no torch."""

INITS = {
    "lottery": "ticket",
    "scratch": "reinit",
    "scratch_other_inits": "reinit_other_inits",
    "scratch_plus": "reinit_plus",
    "prune_restart": "restart",
    "pruned": "pruned",
    "pruned_other_seeds": "pruned_other_seeds",
}
"""Row of the paper's table -> arm in `results.csv`."""
METHODS = ("small_dense", "set", "set_plus", "rigl", "rigl_plus")
"""Further arms of the paper; `small_dense` has no mask that an initialiser could be aware of."""
MEANINGS = {
    "reinit_other_inits": "as reinit, each run from another draw",
    "pruned": "gradual magnitude pruning in one training, the source of the mask",
    "pruned_other_seeds": "as pruned, each run from other weights and with another order",
}
"""The arms that `lth imp` does not have, in words."""
