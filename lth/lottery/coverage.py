"""What the masks of a search cover of its network, said in the log before anything is trained."""

import logging
from collections.abc import Collection, Sequence
from weakref import WeakKeyDictionary

from torch import nn

from lth.pruning.parameters import parameter_count, unpruned
from lth.pruning.resolved import ResolvedPruning

log = logging.getLogger(__name__)

NAMED = 3
"""How many unpruned parameters are named."""
NEGLIGIBLE = 0.01
"""The share of all parameters up to which unpruned ones are not worth a line."""

_said: WeakKeyDictionary[nn.Module, set[str]] = WeakKeyDictionary()
"""Network -> the lines about it: a job may search the same network several times."""


def announce(model: nn.Module, pruning: ResolvedPruning) -> None:
    """Logs which layers give the outputs of `model`, and which parameters `pruning` does not cover; each line once.

    Those are parameters of two or more dimensions, such as embeddings and weights of recurrent layers, where they are
    over 1% of all parameters together. Those that `pruning.exclude` names were left out on purpose; where channels are
    pruned, output layers stay by rule, which is no warning.
    """
    lines = {f"output layer: {name}": logging.INFO for name in pruning.outputs}
    names = [layer.name for layer in pruning.layers]
    if line := unpruned_line(model, names, pruning.settings.exclude):
        by_rule = set(unpruned(model, names, pruning.settings.exclude)) <= set(pruning.outputs)
        lines[line] = logging.INFO if by_rule else logging.WARNING
    for line, level in lines.items():
        if line not in _said.setdefault(model, set()):
            log.log(level, line)
            _said[model].add(line)


def unpruned_line(model: nn.Module, pruned: Collection[str], exclude: Sequence[str] = ()) -> str:
    """The line about parameters that no mask covers, where masks are of `pruned`; empty where they are few.

    >>> unpruned_line(nn.Sequential(nn.Embedding(9, 4), nn.LSTM(4, 4), nn.Linear(4, 2)), ["2.weight"])
    'not pruned: 0.weight, 1.weight_ih_l0 and 1.weight_hh_l0, 80% of all 206 parameters'
    """
    left, total = unpruned(model, pruned, exclude), parameter_count(model)
    share = sum(left.values()) / total
    if share <= NEGLIGIBLE:
        return ""
    names = list(left)
    first, others = names[:NAMED], len(names) - NAMED
    if others > 0:
        listed = f"{', '.join(first)} and {others} more"
    else:
        listed = " and ".join(filter(None, [", ".join(first[:-1]), first[-1]]))
    return f"not pruned: {listed}, {100 * share:.2g}% of all {total:,} parameters"
