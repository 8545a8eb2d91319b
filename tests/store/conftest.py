"""A short training to keep."""

import pytest

from lth.training.job import Job


@pytest.fixture
def job(make_job, make_network, half_mask) -> Job:
    """40 iterations of a half-pruned network."""
    model = make_network()
    return make_job(model=model, mask=half_mask(model), iterations=40, batch_size=10, evaluate_every=10)
