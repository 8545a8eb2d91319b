"""Which test examples a kept run classifies correctly, for runs that were kept without it."""

from pathlib import Path

import torch
from torch import Tensor

from lth.core.bits import pack
from lth.core.weights import State, load
from lth.store.probed import remembered
from lth.training.evaluate import evaluate
from lth.training.records import CORRECT
from lth.training.run_result import RunResult
from lth.training.run_spec import RunSpec


def add_correct(result: RunResult, spec: RunSpec, folder: Path, weights: str, root: Path) -> None:
    """Adds which test examples the kept states classify correctly; the measurement is kept in `folder`.

    weights, root: as in `lth.store.probed.remembered`.
    """
    states = {kind: result.states[kind] for kind in ("early_stop", "final") if kind in result.states}
    if CORRECT in result.states or not states or not result.measures.is_of_examples:
        return

    def compute() -> dict[str, str]:
        return {kind: bytes(pack(_hits(spec, state)).tolist()).hex() for kind, state in states.items()}

    bits = remembered(folder, CORRECT, compute, weights, root)
    result.states[CORRECT] = {
        kind: torch.tensor(list(bytes.fromhex(text)), dtype=torch.uint8) for kind, text in bits.items()
    }


def _hits(spec: RunSpec, state: State) -> Tensor:
    """Which test examples the network of `spec` classifies correctly with the weights `state`."""
    load(spec.model, state)
    hits = evaluate(spec.model.to(spec.data.test.device), spec.data.test).hits
    assert hits is not None, "the metric is a share of examples"
    return hits
