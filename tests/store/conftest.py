"""A short training to keep."""

import pytest

from lth.training.run_spec import RunSpec


@pytest.fixture
def spec(make_job, make_network, half_mask) -> RunSpec:
    """40 iterations of a half-pruned network."""
    model = make_network()
    return make_job(model=model, mask=half_mask(model), iterations=40, batch_size=10, evaluate_every=10)
