"""Levels: masks only shrink by exactly the level_counts, and every training starts from the rewind point."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from lth.core.errors import LotteryError, SettingError
from lth.core.rng import rng
from lth.core.seeds import Seeds
from lth.core.weights import Mask, State, clone, digest, masked
from lth.lottery.levels import Level, levels, rewound
from lth.pruning.level_counts import level_counts
from lth.pruning.mask import density, kept, prunable
from lth.pruning.resolved import prune_to, resolve
from lth.pruning.schedule import Pruning
from lth.pruning.scores.inputs import ScoreInputs
from lth.training.loop import train
from lth.training.run_result import RunResult
from lth.training.run_spec import RunSpec


class Pretend:
    """A fit without training: final weights drawn anew for each mask; diverges at the calls in `diverging`."""

    def __init__(self, diverging: tuple[int, ...] = ()) -> None:
        self.specs: list[RunSpec] = []
        self.diverging = diverging

    def __call__(self, spec: RunSpec) -> RunResult:
        self.specs.append(spec)
        if len(self.specs) - 1 in self.diverging:
            return RunResult(0, 30, "diverged", "as asked")
        noise = rng(0, "pretend", len(self.specs))
        final = {name: x + torch.randn(x.shape, generator=noise) for name, x in spec.initial_state.items()}
        return RunResult(0, 30, states={"final": masked(final, spec.mask)})


def run(spec: RunSpec, pruning: Pruning, count: int, fit: Callable[[RunSpec], RunResult] | None = None) -> list[Level]:
    return list(levels(spec, resolve(spec.model, pruning, count), fit or Pretend()))


def inputs_of(state: State, mask: Mask, seed: int = 0, level: int = 0) -> ScoreInputs:
    return ScoreInputs({name: state[name] for name in mask}, mask, rng(seed, "score", level))


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
def test_masks_have_exactly_the_level_counts_and_only_shrink(make_job: Callable[..., RunSpec], name: str) -> None:
    spec = make_job()
    trained, all_counts = run(spec, PRUNINGS[name], 6), level_counts(prunable(spec.model), PRUNINGS[name], 6)
    masks = [level.spec.mask for level in trained]
    for mask, counts in zip(masks, all_counts, strict=True):
        assert (sum(kept(mask).values()) == counts[""]) if "" in counts else (kept(mask) == counts)
    assert nested(masks) and [level.index for level in trained] == list(range(7))
    assert [level.density for level in trained] == [density(mask) for mask in masks] and trained[0].density == 1


@given(st.floats(0.1, 0.5), st.integers(1, 4), st.booleans(), st.booleans())
def test_densities_are_those_of_the_level_counts(
    make_job: Callable[..., RunSpec], fraction: float, count: int, together: bool, one_shot: bool
) -> None:
    spec, schedule = make_job(), "one_shot" if one_shot else "iterative"
    pruning = Pruning(scope="global" if together else "layerwise", schedule=schedule, fraction=fraction)
    all_counts = level_counts(prunable(spec.model), pruning, count)
    expected = [sum(counts.values()) / sum(all_counts[0].values()) for counts in all_counts]
    assert [level.density for level in run(spec, pruning, count)] == expected


def test_what_is_kept_is_the_largest_of_the_trained_weights(make_job: Callable[..., RunSpec]) -> None:
    trained = run(make_job(), Pruning(), 3)
    for before, after in pairwise(trained):
        assert after.source is not None and digest(after.source) == digest(before.result.final)
        for name, mask in after.spec.mask.items():
            size = before.result.final[name].abs()
            gone = before.spec.mask[name] & ~mask
            assert size[gone].max() <= size[mask].min()


def test_one_shot_is_scored_on_the_dense_network_alone(make_job: Callable[..., RunSpec]) -> None:
    trained = run(make_job(), Pruning(schedule="one_shot"), 4)
    final = trained[0].result.final
    for level in trained[1:]:
        assert level.source is not None and digest(level.source) == digest(final)
        for name, mask in level.spec.mask.items():
            assert final[name].abs()[~mask].max() <= final[name].abs()[mask].min()


def test_levels_are_one_training_more_than_prunings_and_come_as_they_are_trained(
    make_job: Callable[..., RunSpec],
) -> None:
    fit, spec = Pretend(), make_job()
    rounds = levels(spec, resolve(spec.model, Pruning(), 3), fit)
    assert fit.specs == []
    for done in range(4):
        level = next(rounds)
        assert len(fit.specs) == done + 1 and level.index == done and (level.source is None) == (done == 0)
    assert list(rounds) == [] and len(fit.specs) == 4
    assert len(run(spec, Pruning(), 0)) == 1


def test_level_counts_that_cannot_be_is_an_error_before_any_training(make_job: Callable[..., RunSpec]) -> None:
    fit = Pretend()
    with pytest.raises(SettingError, match="levels=99"):
        run(make_job(), Pruning(), 99, fit)
    assert fit.specs == []


@pytest.mark.parametrize("rewind", [0, 11])
def test_survivors_start_bit_equal_to_the_rewind_point_buffers_too(
    make_job: Callable[..., RunSpec],
    make_rich_network: Callable[[], nn.Module],
    same_bits: Callable[..., bool],
    rewind: int,
) -> None:
    started: list[State] = []

    class Start:
        key, every, columns = "start", 0, {}

        def __call__(self, model: nn.Module, spec: RunSpec) -> dict[str, float]:
            started.append(clone(model.state_dict()))
            return {}

    spec = make_job(model=make_rich_network(), rewind=rewind)
    point = rewound(spec, train).initial_state
    assert rewind == 0 or point["1.num_batches_tracked"] == 11
    before = digest(point)
    trained = run(replace(spec, initial_state=point), Pruning(), 2, lambda spec: train(spec, [Start()]))
    for level, state in zip(trained, started[::2], strict=True):
        assert same_bits(state, masked(point, level.spec.mask)) and level.spec.plan == spec.plan
        assert level.result.start == rewind and level.result.stop == 30
    assert digest(point) == before and nested([level.spec.mask for level in trained])


def test_every_level_changes_only_the_mask(make_job: Callable[..., RunSpec]) -> None:
    spec = make_job()
    for level in run(spec, Pruning(), 2):
        assert replace(level.spec, mask=spec.mask) == spec


def test_rewinding_is_training_k_iterations_first(
    make_job: Callable[..., RunSpec], same_bits: Callable[..., bool]
) -> None:
    """Schedule and data order go on from k: with an optimiser that has no state, no bit differs from one training."""
    recipe = {"optimizer": "sgd", "momentum": 0.0, "lr": 0.1, "schedule": "cosine"}
    spec = make_job(rewind="2ep1it", **recipe)
    assert spec.plan.start == 11
    point = rewound(spec, train).initial_state
    level = run(replace(spec, initial_state=point), Pruning(), 0, train)[0]
    assert same_bits(level.result.final, train(make_job(**recipe)).final)
    assert same_bits(point, train(make_job(stop=11, **recipe)).final)


def test_the_rewind_point_at_zero_is_the_start_and_trains_nothing(make_job: Callable[..., RunSpec]) -> None:
    spec, fit = make_job(), Pretend()
    assert rewound(spec, fit).initial_state is spec.initial_state and fit.specs == []


def test_a_rewind_point_that_diverged_is_an_error_that_says_so(
    make_job: Callable[..., RunSpec], wild_rate: None
) -> None:
    with pytest.raises(SettingError, match=r"rewind=20: .*diverged: the loss became NaN"):
        rewound(make_job(rewind=20, optimizer="sgd"), train)


DIVERGING = [("iterative", 2, 3), ("iterative", 0, 1), ("one_shot", 2, 5), ("one_shot", 0, 1)]


@pytest.mark.parametrize(("schedule", "diverging", "trained"), DIVERGING)
def test_a_level_that_diverged_is_the_last_one_that_can_be_pruned_from(
    make_job: Callable[..., RunSpec], caplog: pytest.LogCaptureFixture, schedule: str, diverging: int, trained: int
) -> None:
    levels_done = run(make_job(), Pruning(schedule=schedule), 4, Pretend((diverging,)))
    assert len(levels_done) == trained and levels_done[diverging].result.status == "diverged"
    assert ("no weights to prune by" in caplog.text) == (trained < 5)


def test_weights_that_are_no_numbers_are_an_error(make_job: Callable[..., RunSpec]) -> None:
    spec = make_job()
    broken = clone(spec.initial_state) | {"fc1.weight": torch.full((12, 36), torch.nan)}
    pruning = resolve(spec.model, Pruning(), 1)
    with pytest.raises(LotteryError, match="NaN"):
        prune_to(pruning, pruning.level_counts[1], inputs_of(broken, pruning.dense()))


def test_pruning_is_pure(make_job: Callable[..., RunSpec]) -> None:
    spec = make_job()
    pruning = resolve(spec.model, Pruning(), 1)
    mask, before = pruning.dense(), digest(spec.initial_state)
    pruned = prune_to(pruning, pruning.level_counts[1], inputs_of(spec.initial_state, mask))
    assert density(mask) == 1 and digest(spec.initial_state) == before and density(pruned) < 1


def test_random_masks_are_drawn_by_seed_and_level_whatever_the_weights(make_job: Callable[..., RunSpec]) -> None:
    spec = make_job()
    pruning = resolve(spec.model, Pruning(score="random"), 1)
    keep, mask = {layer.name: layer.size // 2 for layer in pruning.layers}, pruning.dense()
    other = {name: -2 * tensor for name, tensor in spec.initial_state.items()}

    def drawn(state: State, seed: int, level: int) -> str:
        return digest(prune_to(pruning, keep, inputs_of(state, mask, seed, level)))

    assert drawn(spec.initial_state, 0, 1) == drawn(other, 0, 1)
    assert len({drawn(spec.initial_state, seed, level) for seed in range(3) for level in range(3)}) == 9


def test_random_levels_follow_the_mask_seed(make_job: Callable[..., RunSpec]) -> None:
    first, again, other = (
        run(make_job(seeds=seeds), Pruning(score="random"), 2)[2].spec.mask
        for seeds in (Seeds().resolved(), Seeds(init=1, order=1, augment=1).resolved(), Seeds(mask=1).resolved())
    )
    assert digest(first) == digest(again) != digest(other)


def test_the_same_levels_twice_are_the_same_bits(make_job: Callable[..., RunSpec]) -> None:
    runs = [run(make_job(), Pruning(), 2, train) for _ in range(2)]
    answers = [[(digest(level.spec.mask), digest(level.result.final)) for level in trained] for trained in runs]
    assert answers[0] == answers[1] and len({mask for mask, _ in answers[0]}) == 3


def test_layer_collapse_is_named_when_it_happens(
    make_job: Callable[..., RunSpec], caplog: pytest.LogCaptureFixture
) -> None:
    """With the global scope: where a layer's weights are all the smallest, it goes first."""
    spec = make_job()
    start = {**spec.initial_state, "fc2.weight": spec.initial_state["fc2.weight"] * 1e-6}
    pruning = Pruning(scope="global", fraction=0.1)  # 55 of 552, then 50: fc2 has 96
    fit = lambda spec: RunResult(0, 30, states={"final": masked(start, spec.mask)})  # noqa: E731  # as short as the test
    trained = list(levels(spec, resolve(spec.model, pruning, 3), fit))
    assert [int(level.spec.mask["fc2.weight"].sum()) for level in trained] == [96, 41, 0, 0]
    assert caplog.text.count("layer collapse") == 1
    assert "level 2: layer collapse: the last weight of fc2.weight was pruned" in caplog.text
