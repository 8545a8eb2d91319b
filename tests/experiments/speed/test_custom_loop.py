"""A loop of a user's through lth, the same loop bare and lth's own give the same bits, and are timed step by step."""

from dataclasses import replace
from itertools import islice

import pytest
import torch
from lth.experiments.speed import custom_loop
from lth.experiments.speed.custom_loop import bare_steps, custom_blocks, custom_spec
from lth.experiments.speed.networks import NETWORKS, make_spec
from lth.experiments.speed.ways import with_kernels

from lth.training.loop import train

STEPS = 7
"""More than an epoch of the few images has."""


@pytest.fixture
def spec(images):
    """A training of Lenet-300-100 at 21% of the weights."""
    return make_spec(NETWORKS["lenet_300_100"], images, 0.21, seed=0)


def test_the_three_ways_give_the_same_bits(spec, monkeypatch, same_bits):
    networks = []
    monkeypatch.setattr(
        custom_loop, "copied", lambda model: networks.append(copy := with_kernels(spec, "").model) or copy
    )
    list(islice(bare_steps(spec), STEPS))
    through = train(custom_spec(spec, STEPS))
    dense = train(with_kernels(replace(spec, plan=replace(spec.plan, stop=STEPS)), "dense"))
    assert same_bits(through.final, dense.final)
    for name, weight in networks[0].state_dict().items():
        assert torch.equal(weight, dense.final[name]), name  # a product with 0 may be -0


def test_a_block_of_the_loop_is_so_many_of_its_steps(spec, monkeypatch):
    steps = []
    backward = custom_loop.backward
    monkeypatch.setattr(custom_loop, "backward", lambda *about: steps.append(about) or backward(*about))
    blocks = custom_blocks(spec, 3)
    for done in (6, 9):  # the steps of one block come before the first
        assert next(blocks) > 0 and len(steps) == done
    blocks.close()
    assert len(steps) == 9
