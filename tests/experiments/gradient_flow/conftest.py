"""The trainings of a small network by the plan, which are then analysed."""

from dataclasses import replace

import pytest
import torch
from lth.experiments.gradient_flow.arms import INITS, METHODS
from lth.experiments.gradient_flow.plan import GradientFlowPlan
from lth.experiments.gradient_flow.trainings import train_plan

from lth.lottery.context import context_of
from lth.models.initialize import initialize
from lth.pruning.updates import GradualPruning, Rewiring
from lth.store.runs import Store


@pytest.fixture(scope="session")
def make_plan(make_job, make_network):
    """All rows and methods of the small network, two runs each; keywords change the plan."""
    spec = make_job()

    def fresh(seed: int) -> dict[str, torch.Tensor]:
        return initialize(make_network(), "glorot_normal", seed)

    spec = replace(spec, initial_state=fresh(0))
    context = context_of(spec.model, spec.initial_state, fresh, Rewiring(every=5, anneal="learning_rate"))
    plan = GradientFlowPlan(spec, GradualPruning(0.2, 5, 15, 5), context, list(INITS), list(METHODS), 2, change_at=10)
    return lambda **changes: replace(plan, **changes)


@pytest.fixture(scope="session")
def store(tmp_path_factory):
    return Store(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="session")
def trained(make_plan, store):
    """All trainings of the plan."""
    return train_plan(make_plan(), store, lambda training: store.train(training.spec))
