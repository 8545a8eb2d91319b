"""Levels: masks only shrink by exactly the ladder, and every training starts from the rewind point."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from lth.core.errors import LotteryError, SettingError
from lth.core.rng import Seeds, rng
from lth.core.weights import Mask, State, clone, digest, masked
from lth.pruning.mask import dense, density, kept, prunable
from lth.pruning.schedule import Pruning, ladder
from lth.tickets.imp import Level, levels, prune, rewind_point
from lth.training.job import Job
from lth.training.loop import train
from lth.training.trace import Trace


class Pretend:
    """A fit without training: final weights drawn anew for each mask; diverges at the calls in `diverging`."""

    def __init__(self, diverging: tuple[int, ...] = ()) -> None:
        self.jobs: list[Job] = []
        self.diverging = diverging

    def __call__(self, job: Job) -> Trace:
        self.jobs.append(job)
        if len(self.jobs) - 1 in self.diverging:
            return Trace(0, 30, "diverged", "as asked")
        noise = rng(0, "pretend", len(self.jobs))
        final = {name: x + torch.randn(x.shape, generator=noise) for name, x in job.start.items()}
        return Trace(0, 30, states={"final": masked(final, job.mask)})


def run(job: Job, pruning: Pruning, count: int, fit: Callable[[Job], Trace] | None = None) -> list[Level]:
    return list(levels(job, prunable(job.model), pruning, count, fit or Pretend()))


def nested(masks: list[Mask]) -> bool:
    return all(not bool((b[name] & ~a[name]).any()) for a, b in pairwise(masks) for name in a)


PRUNINGS = {
    "layerwise": Pruning(fractions={"output": 0.1}),
    "global": Pruning(scope="global", fraction=0.3),
    "random": Pruning(score="random"),
    "one shot": Pruning(schedule="one_shot"),
    "one shot random": Pruning(schedule="one_shot", score="random"),
    "one shot global": Pruning(schedule="one_shot", scope="global"),
}


@pytest.mark.parametrize("name", PRUNINGS)
def test_masks_have_exactly_the_ladders_counts_and_only_shrink(make_job: Callable[..., Job], name: str) -> None:
    job = make_job()
    found, rungs = run(job, PRUNINGS[name], 6), ladder(prunable(job.model), PRUNINGS[name], 6)
    masks = [level.job.mask for level in found]
    for mask, rung in zip(masks, rungs, strict=True):
        assert (sum(kept(mask).values()) == rung[""]) if "" in rung else (kept(mask) == rung)
    assert nested(masks) and [level.index for level in found] == list(range(7))
    assert [level.density for level in found] == [density(mask) for mask in masks] and found[0].density == 1


@given(st.floats(0.1, 0.5), st.integers(1, 4), st.booleans(), st.booleans())
def test_densities_are_those_of_the_ladder(
    make_job: Callable[..., Job], fraction: float, count: int, together: bool, one_shot: bool
) -> None:
    job, schedule = make_job(), "one_shot" if one_shot else "iterative"
    pruning = Pruning(scope="global" if together else "layerwise", schedule=schedule, fraction=fraction)
    rungs = ladder(prunable(job.model), pruning, count)
    expected = [sum(rung.values()) / sum(rungs[0].values()) for rung in rungs]
    assert [level.density for level in run(job, pruning, count)] == expected


def test_what_is_kept_is_the_largest_of_the_trained_weights(make_job: Callable[..., Job]) -> None:
    found = run(make_job(), Pruning(), 3)
    for before, after in pairwise(found):
        assert after.source is not None and digest(after.source) == digest(before.trace.final)
        for name, mask in after.job.mask.items():
            size = before.trace.final[name].abs()
            gone = before.job.mask[name] & ~mask
            assert size[gone].max() <= size[mask].min()


def test_one_shot_is_scored_on_the_dense_network_alone(make_job: Callable[..., Job]) -> None:
    found = run(make_job(), Pruning(schedule="one_shot"), 4)
    final = found[0].trace.final
    for level in found[1:]:
        assert level.source is not None and digest(level.source) == digest(final)
        for name, mask in level.job.mask.items():
            assert final[name].abs()[~mask].max() <= final[name].abs()[mask].min()


def test_levels_are_one_training_more_than_prunings_and_come_as_they_are_trained(make_job: Callable[..., Job]) -> None:
    fit, job = Pretend(), make_job()
    rounds = levels(job, prunable(job.model), Pruning(), 3, fit)
    assert fit.jobs == []
    for done in range(4):
        level = next(rounds)
        assert len(fit.jobs) == done + 1 and level.index == done and (level.source is None) == (done == 0)
    assert list(rounds) == [] and len(fit.jobs) == 4
    assert len(run(job, Pruning(), 0)) == 1


def test_a_ladder_that_cannot_be_is_an_error_before_any_training(make_job: Callable[..., Job]) -> None:
    fit = Pretend()
    with pytest.raises(SettingError, match="levels=99"):
        run(make_job(), Pruning(), 99, fit)
    assert fit.jobs == []


@pytest.mark.parametrize("rewind", [0, 11])
def test_survivors_start_bit_equal_to_the_rewind_point_buffers_too(
    make_job: Callable[..., Job],
    make_rich_network: Callable[[], nn.Module],
    same_bits: Callable[..., bool],
    rewind: int,
) -> None:
    started: list[State] = []

    class Start:
        key, every = "start", 0

        def __call__(self, model: nn.Module, job: Job) -> dict[str, float]:
            started.append(clone(model.state_dict()))
            return {}

    job = make_job(model=make_rich_network(), rewind=rewind)
    point = rewind_point(job, train)
    assert rewind == 0 or point["1.num_batches_tracked"] == 11
    before = digest(point)
    found = run(replace(job, start=point), Pruning(), 2, lambda job: train(job, [Start()]))
    for level, state in zip(found, started[::2], strict=True):
        assert same_bits(state, masked(point, level.job.mask)) and level.job.plan == job.plan
        assert level.trace.start == rewind and level.trace.stop == 30
    assert digest(point) == before and nested([level.job.mask for level in found])


def test_every_level_changes_only_the_mask(make_job: Callable[..., Job]) -> None:
    job = make_job()
    for level in run(job, Pruning(), 2):
        assert replace(level.job, mask=job.mask) == job


def test_rewinding_is_training_k_iterations_first(make_job: Callable[..., Job], same_bits: Callable[..., bool]) -> None:
    """Schedule and data order go on from k: with an optimiser that has no state, no bit differs from one training."""
    recipe = {"optimizer": "sgd", "momentum": 0.0, "lr": 0.1, "schedule": "cosine"}
    job = make_job(rewind="2ep1it", **recipe)
    assert job.plan.start == 11
    point = rewind_point(job, train)
    level = run(replace(job, start=point), Pruning(), 0, train)[0]
    assert same_bits(level.trace.final, train(make_job(**recipe)).final)
    assert same_bits(point, train(make_job(stop=11, **recipe)).final)


def test_the_rewind_point_at_zero_is_the_start_and_trains_nothing(make_job: Callable[..., Job]) -> None:
    job, fit = make_job(), Pretend()
    assert rewind_point(job, fit) is job.start and fit.jobs == []


def test_a_rewind_point_that_diverged_is_an_error_that_says_so(make_job: Callable[..., Job]) -> None:
    with pytest.raises(SettingError, match=r"rewind=20: .*diverged: the loss became NaN"):
        rewind_point(make_job(rewind=20, optimizer="sgd", lr=1e30), train)


DIVERGING = [("iterative", 2, 3), ("iterative", 0, 1), ("one_shot", 2, 5), ("one_shot", 0, 1)]


@pytest.mark.parametrize(("schedule", "diverging", "trained"), DIVERGING)
def test_a_level_that_diverged_is_the_last_one_that_can_be_pruned_from(
    make_job: Callable[..., Job], caplog: pytest.LogCaptureFixture, schedule: str, diverging: int, trained: int
) -> None:
    found = run(make_job(), Pruning(schedule=schedule), 4, Pretend((diverging,)))
    assert len(found) == trained and found[diverging].trace.status == "diverged"
    assert ("no weights to prune by" in caplog.text) == (trained < 5)


def test_weights_that_are_no_numbers_are_an_error(make_job: Callable[..., Job]) -> None:
    job = make_job()
    broken = clone(job.start) | {"fc1.weight": torch.full((12, 36), torch.nan)}
    mask, layers = dense(prunable(job.model)), prunable(job.model)
    with pytest.raises(LotteryError, match="NaN"):
        prune(broken, mask, ladder(layers, Pruning(), 1)[1], layers, Pruning(), 0)


def test_pruning_is_pure(make_job: Callable[..., Job]) -> None:
    job = make_job()
    layers = prunable(job.model)
    mask, before = dense(layers), digest(job.start)
    pruned = prune(job.start, mask, ladder(layers, Pruning(), 1)[1], layers, Pruning(), 0)
    assert density(mask) == 1 and digest(job.start) == before and density(pruned) < 1


def test_random_masks_are_drawn_by_seed_and_level_whatever_the_weights(make_job: Callable[..., Job]) -> None:
    job = make_job()
    layers = prunable(job.model)
    keep, mask, pruning = {layer.name: layer.size // 2 for layer in layers}, dense(layers), Pruning(score="random")
    other = {name: -2 * tensor for name, tensor in job.start.items()}

    def drawn(state: State, seed: int, level: int) -> str:
        return digest(prune(state, mask, keep, layers, pruning, seed, level))

    assert drawn(job.start, 0, 1) == drawn(other, 0, 1)
    assert len({drawn(job.start, seed, level) for seed in range(3) for level in range(3)}) == 9


def test_random_levels_follow_the_mask_seed(make_job: Callable[..., Job]) -> None:
    first, again, other = (
        run(make_job(seeds=seeds), Pruning(score="random"), 2)[2].job.mask
        for seeds in (Seeds(), Seeds(init=1, order=1, augment=1), Seeds(mask=1))
    )
    assert digest(first) == digest(again) != digest(other)


def test_the_same_levels_twice_are_the_same_bits(make_job: Callable[..., Job]) -> None:
    runs = [run(make_job(), Pruning(), 2, train) for _ in range(2)]
    answers = [[(digest(level.job.mask), digest(level.trace.final)) for level in found] for found in runs]
    assert answers[0] == answers[1] and len({mask for mask, _ in answers[0]}) == 3


def test_layer_collapse_is_named_when_it_happens(
    make_job: Callable[..., Job], caplog: pytest.LogCaptureFixture
) -> None:
    """With the global scope: where a layer's weights are all the smallest, it goes first."""
    job = make_job()
    start = {**job.start, "fc2.weight": job.start["fc2.weight"] * 1e-6}
    layers, pruning = prunable(job.model), Pruning(scope="global", fraction=0.1)  # 55 of 552, then 50: fc2 has 96
    fit = lambda job: Trace(0, 30, states={"final": masked(start, job.mask)})  # noqa: E731  # as short as the test
    found = list(levels(job, layers, pruning, 3, fit))
    assert [int(level.job.mask["fc2.weight"].sum()) for level in found] == [96, 41, 0, 0]
    assert caplog.text.count("layer collapse") == 1
    assert "level 2: layer collapse: the last weight of fc2.weight was pruned" in caplog.text
