"""The trainings of a small network in every way, which the looks are at."""

from dataclasses import replace

import pytest
import torch

from lth.flow.runs import INITS, METHODS, Procedure, compare
from lth.lottery.context import context_of
from lth.models.initialize import initialize
from lth.pruning.updates import GradualPruning, Rewiring
from lth.store.runs import Store


@pytest.fixture(scope="session")
def asked(make_job, make_network):
    """All rows and methods of the small network, two runs each; keywords change the procedure."""
    spec = make_job()

    def fresh(seed: int) -> dict[str, torch.Tensor]:
        return initialize(make_network(), "glorot_normal", seed)

    spec = replace(spec, initial_state=fresh(0))
    context = context_of(spec.model, spec.initial_state, fresh, Rewiring(every=5))
    whole = Procedure(spec, GradualPruning(0.2, 5, 15, 5), context, list(INITS), list(METHODS), 2, change_at=10)
    return lambda **changes: replace(whole, **changes)


@pytest.fixture(scope="session")
def store(tmp_path_factory):
    return Store(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="session")
def compared(asked, store):
    return compare(asked(), store, lambda arm, number: store.train)
