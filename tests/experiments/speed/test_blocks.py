"""Ways of training take turns, block by block; a block of our training is so many of its steps, and nothing else."""

import threading
from dataclasses import replace

import pytest
import torch
from lth.experiments.speed.blocks import Pacer, take_turns, timed, trained, training_of

from lth.core.errors import LotteryError


class Way:
    """Notes its blocks; the time of each is how many there have been in all."""

    def __init__(self, name, blocks):
        self.name, self.blocks, self.closed = name, blocks, False

    def __next__(self):
        self.blocks.append(self.name)
        return float(len(self.blocks))

    def close(self):
        self.closed = True


@pytest.mark.parametrize("turns", [1, 4])
def test_each_way_has_a_block_in_every_turn_and_the_first_turn_does_not_count(turns):
    blocks, done = [], []
    ways = {name: Way(name, blocks) for name in "abc"}
    times = take_turns(ways, turns, lambda name, time: done.append((name, time)))
    each = [blocks[first : first + 3] for first in range(0, len(blocks), 3)]
    assert each == [list("abc") if number % 2 == 0 else list("cba") for number in range(turns + 1)]
    assert done == list(zip(blocks, map(float, range(1, len(blocks) + 1)), strict=True))
    assert times == {name: [time for other, time in done[3:] if other == name] for name in "abc"}
    assert all(way.closed for way in ways.values())


def test_ways_end_where_one_of_them_fails():
    blocks = []

    def failing():
        yield 1.0
        raise RuntimeError("broken")

    ways = {"a": Way("a", blocks), "b": failing()}
    with pytest.raises(RuntimeError, match="broken"):
        take_turns(ways, 3)
    assert ways["a"].closed


@pytest.fixture
def counted(make_job):
    """A training, and the sizes of the batches that its network was trained on."""
    spec, sizes = make_job(iterations=13, evaluate_every=13), []

    def note(module, inputs, outputs):
        if module.training:
            sizes.append(len(inputs[0]))

    handle = spec.model.register_forward_hook(note)
    yield spec, sizes
    handle.remove()


def test_a_block_of_our_training_is_so_many_of_its_steps(counted):
    spec, sizes = counted
    blocks = trained(spec, 4)
    threads = threading.active_count()
    for done in (8, 12):  # the steps of one block come before the first
        assert next(blocks) > 0
        assert sizes == [spec.plan.batch_size] * done
    assert threading.active_count() == threads + 1
    blocks.close()
    assert threading.active_count() == threads and len(sizes) == 12


@pytest.mark.parametrize("kernels", ["dense", "sparse"])
@pytest.mark.parametrize("iterations", [1, 30, 60])
def test_a_block_has_its_iterations_with_any_kernels(make_job, half_mask, kernels, iterations):
    spec = make_job(iterations=1000, evaluate_every=1000, kernels=kernels)
    pacer = Pacer(training_of(replace(spec, mask=half_mask(spec.model)), iterations))
    pacer.begin()
    try:
        for done in (2, 3):
            pacer.block()
            assert pacer.iteration == done * iterations
    finally:
        pacer.end()


def test_our_training_has_as_many_threads_as_the_rest(counted):
    spec, _ = counted
    seen = []
    spec.model.register_forward_hook(lambda *_: seen.append(torch.get_num_threads()))
    blocks = trained(spec, 2)
    next(blocks)
    blocks.close()
    assert set(seen) == {torch.get_num_threads()}


def test_what_ends_our_training_ends_the_blocks(make_job, counted):
    spec, _ = counted
    blocks = trained(spec, 12)
    with pytest.raises(ValueError, match="the training is too short for its blocks"):
        next(blocks)
    wrong = replace(spec, mask={"fc9.weight": torch.ones(2, 2, dtype=torch.bool)})
    with pytest.raises(LotteryError, match=r"fc9\.weight"):
        next(trained(wrong, 2))


def test_others_take_any_kernels_and_ours_are_deterministic_afterwards():
    seen = []

    def steps():
        while True:
            seen.append(torch.are_deterministic_algorithms_enabled())
            yield

    blocks = timed(steps(), 3)
    next(blocks)
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        next(blocks)
        assert torch.are_deterministic_algorithms_enabled()
    finally:
        torch.use_deterministic_algorithms(False)
    assert seen == [False] * 6
