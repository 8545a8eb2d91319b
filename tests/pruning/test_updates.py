"""Masks that change: counts are exact at every update, gradual pruning follows its cube, rewiring keeps its counts."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from math import cos, pi

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lth.core.errors import LotteryError, SettingError
from lth.core.rng import rng
from lth.pruning.gradual import GradualCounts
from lth.pruning.mask import kept
from lth.pruning.rewiring import ANNEALS
from lth.pruning.select import Selection
from lth.pruning.updates import GradualPruning, RigL, Set, UpdateContext

SHAPES = {"a": (7, 11), "b": (3, 4, 2, 2), "c": (5, 3)}


def tensors(seed: int, ties: bool = False) -> dict[str, torch.Tensor]:
    """A draw for each layer; with `ties` of few values, zero among them."""
    drawn = {name: torch.randn(shape, generator=rng(seed, name)) for name, shape in SHAPES.items()}
    return {name: x.round() if ties else x for name, x in drawn.items()}


def context(
    mask: Mapping[str, torch.Tensor], seed: int, iteration: int, rate: float = 1.0, ties: bool = False
) -> UpdateContext:
    weights = {name: x * mask[name] for name, x in tensors(seed, ties).items()}
    return UpdateContext(iteration, dict(mask), weights, rate, 0, lambda count: tensors(seed + 1, ties), 1000)


def some(seed: int, density: float) -> dict[str, torch.Tensor]:
    return {name: torch.rand(shape, generator=rng(seed, "mask", name)) < density for name, shape in SHAPES.items()}


WHOLE = {name: torch.ones(shape, dtype=torch.bool) for name, shape in SHAPES.items()}


@st.composite
def gradual(draw: st.DrawFn) -> GradualPruning:
    every, steps = draw(st.integers(1, 50)), draw(st.integers(0, 12))
    begin = draw(st.integers(0, 100))
    return GradualPruning(draw(st.floats(0.05, 0.99)), begin, begin + every * steps, every)


@given(gradual(), st.integers(0, 99), st.booleans())
def test_gradual_pruning_keeps_the_cubes_share_of_every_layer_and_only_shrinks(
    update: GradualPruning, seed: int, ties: bool
) -> None:
    update.check(WHOLE, 0, update.end + 1)
    mask, times = WHOLE, [n for n in range(update.end + 100) if update.due(n)]
    assert (times[0], times[-1], len(times)) == (
        update.begin,
        update.end,
        (update.end - update.begin) // update.every + 1,
    )
    for iteration in times:
        before, mask = mask, update.mask(context(mask, seed + iteration, iteration, ties=ties))
        done = (iteration - update.begin) / (update.end - update.begin) if update.end > update.begin else 1.0
        sparsity = (1 - update.density) * (
            1 - (1 - done) ** 3
        )  # eq. 1 of Zhu & Gupta 2017 from an initial sparsity of 0
        for name, alive in mask.items():
            assert not (alive & ~before[name]).any()
            assert abs(int(alive.sum()) - (1 - sparsity) * alive.numel()) <= 0.5 + 1e-9
    assert kept(mask) == {name: round(update.density * alive.numel()) for name, alive in WHOLE.items()}


def test_the_schedule_of_the_authors_has_these_densities() -> None:
    """Steps 3000 to 7000, sparsity 0.95: worked out by hand with 1 - 0.95 (1 - p^3), p what is left."""
    update = GradualPruning(0.05, 3000, 7000)
    densities = [update.density_at(n) for n in (0, 3000, 4000, 5000, 6000, 7000, 11_719)]
    assert densities == pytest.approx([1, 1, 0.45078125, 0.16875, 0.06484375, 0.05, 0.05])
    assert [update.due(n) for n in (2900, 3000, 3050, 6900, 7000, 7100)] == [False, True, False, True, True, False]
    assert all(a >= b for a, b in pairwise(update.density_at(n) for n in range(2000, 8000)))


def test_gradual_pruning_takes_the_smallest_first() -> None:
    update = GradualPruning(0.5, 0, 10, 10)
    weights = {"w": torch.tensor([3.0, -1.0, 0.5, -4.0])}
    given = UpdateContext(10, {"w": torch.ones(4, dtype=torch.bool)}, weights, 1.0, 0, lambda count: {}, 20)
    assert update.mask(given)["w"].tolist() == [True, False, False, True]


REWIRING = st.one_of(
    *(
        st.builds(kind, st.floats(0.01, 0.99), st.integers(1, 100), st.integers(1, 1000), st.sampled_from(ANNEALS))
        for kind in (Set, RigL)
    )
)


@given(REWIRING, st.integers(0, 99), st.floats(0, 1), st.floats(0, 1), st.integers(0, 1000), st.booleans())
def test_rewiring_keeps_each_layers_count_and_the_largest_weights(
    update: Set | RigL, seed: int, density: float, rate: float, iteration: int, ties: bool
) -> None:
    before = some(seed, density)
    now = context(before, seed, iteration, rate, ties)
    mask = update.mask(now)
    assert kept(mask) == kept(before)
    for name, alive in before.items():
        dropped = round(update.share(now) * int(alive.sum()))
        gone, new = alive & ~mask[name], mask[name] & ~alive
        assert int(gone.sum()) == int(new.sum()) <= dropped
        stays = alive & mask[name]
        if gone.any() and stays.any() and isinstance(update, Set):
            worst = now.weights[name].abs()[alive].sort().values[:dropped]
            assert now.weights[name].abs()[gone].max() <= worst.max()


@given(st.integers(0, 30), st.floats(0.05, 0.95), st.floats(0.1, 0.9))
def test_rigl_grows_exactly_the_largest_gradients(seed: int, density: float, drop: float) -> None:
    """Against sorted lists of Python: drop the smallest, then grow the largest of all that are not active."""
    before = some(seed, density)
    now = context(before, seed, 100)
    mask, gradient = RigL(drop, 100, anneal="learning_rate").mask(now), now.gradient(1_000)
    for name, alive in before.items():
        weights, pulls = now.weights[name].abs().flatten().tolist(), gradient[name].abs().flatten().tolist()
        active = sorted(alive.flatten().nonzero().flatten().tolist(), key=lambda place: weights[place])
        stays = set(active[round(drop * len(active)) :])
        free = sorted(set(range(len(weights))) - stays, key=lambda place: -pulls[place])
        grown = set(free[: len(active) - len(stays)])
        assert set(mask[name].flatten().nonzero().flatten().tolist()) == stays | grown


def test_set_draws_by_iteration_layer_and_seed_and_the_same_again() -> None:
    mask = some(0, 0.3)
    draws = []
    for iteration, seed in ((100, 0), (200, 0), (100, 1)):
        at = replace(context(mask, 0, iteration), seed=seed)
        draws.append(Set(0.5).mask(at))
        assert all(torch.equal(x, draws[-1][name]) for name, x in Set(0.5).mask(at).items())
    for first, second in ((0, 1), (0, 2), (1, 2)):
        assert any(not torch.equal(draws[first][name], draws[second][name]) for name in mask)


def test_set_grows_everywhere_alike() -> None:
    """Of 400 free places each is grown about as often: 200 draws of 25 of them, 12.5 each."""
    alive = torch.zeros(20, 25, dtype=torch.bool)
    alive[:4] = True
    counts = torch.zeros(20, 25)
    for iteration in range(200):
        weights = {"w": torch.where(alive, torch.arange(500.0).reshape(20, 25) + 1, 0)}
        now = UpdateContext(iteration, {"w": alive}, weights, 1.0, 0, lambda count: {}, 200)
        counts += Set(0.25, anneal="learning_rate").mask(now)["w"]
    assert counts[1:4].eq(200).all()  # the larger three quarters were never dropped
    free = counts[4:].flatten()
    assert 9 < free.mean() < 13 and free.min() >= 1 and free.max() < 30


@pytest.mark.parametrize(("update", "iteration"), [(RigL(anneal="learning_rate"), 100), (RigL(), 750), (RigL(), 900)])
def test_a_share_of_zero_changes_nothing(update: RigL, iteration: int) -> None:
    mask = some(1, 0.4)
    now = replace(context(mask, 0, iteration, rate=0.0), gradient=None)  # and takes no gradient
    assert update.mask(now) is mask or update.mask(now) == mask


@given(st.floats(0.01, 0.99), st.integers(0, 12_000), st.integers(0, 8000))
def test_the_cosine_is_eq_1_of_the_paper_and_knows_no_learning_rate(drop: float, iteration: int, end: int) -> None:
    """alpha / 2 (1 + cos(t pi / T_end)) up to T_end, by default three quarters of the training, then zero."""
    total, end = 11_719, 1 + end
    for stop, ends in ((end, end), (None, 8789)):
        now = replace(context(WHOLE, 0, iteration, rate=0.123), total=total)
        expected = drop / 2 * (1 + cos(iteration * pi / ends)) if iteration < ends else 0.0
        assert Set(drop, 100, stop).share(now) == pytest.approx(expected, abs=1e-12)
        assert Set(drop, 100, stop, "learning_rate").share(now) == drop * 0.123


def test_the_cosine_of_a_training_is_known_by_hand() -> None:
    """Of 100 weights 30% at first: at a third of the way cos is 1/2, half way 0, at two thirds -1/2, then nothing."""
    mask = {"w": torch.arange(200) < 100}
    weights = {"w": torch.where(mask["w"], torch.arange(200.0) + 1, 0)}
    moved = {}
    for iteration in (0, 300, 450, 600, 900, 1100):
        now = UpdateContext(iteration, mask, weights, 1.0, 0, lambda count: {"w": torch.arange(200.0)}, 1200)
        moved[iteration] = int((RigL(0.3, 100).mask(now)["w"] & ~mask["w"]).sum())
    assert moved == {0: 30, 300: round(22.5), 450: 15, 600: round(7.5), 900: 0, 1100: 0}


@pytest.mark.parametrize(
    ("update", "turns"),
    [
        (RigL(0.3, 100, anneal="learning_rate"), [100, 200, 300, 400, 500]),
        (RigL(0.3, 100, 250, "learning_rate"), [100, 200]),
        (RigL(0.3, 100, 200, "learning_rate"), [100, 200]),
        (RigL(0.3, 100).until(500), [100, 200, 300]),
        (RigL(0.3, 100, 200), [100]),
        (RigL(0.3, 100, 200).until(500), [100]),
        (RigL(0.3, 100, anneal="learning_rate").until(500), [100, 200, 300, 400, 500]),
    ],
)
def test_rewiring_has_its_turn_every_so_many_steps_up_to_its_stop(update: RigL, turns: list[int]) -> None:
    assert [n for n in range(1, 501) if update.due(n)] == turns


def test_an_unknown_anneal_is_an_error() -> None:
    with pytest.raises(SettingError, match=r"rewiring\.anneal=linear: must be one of cosine, learning_rate"):
        Set(anneal="linear")


@pytest.mark.parametrize("update", [GradualPruning(0.5, 0, 100), Set(), RigL()])
def test_a_diverged_network_keeps_its_mask(update: GradualPruning | Set | RigL) -> None:
    mask = some(0, 0.9)
    broken = context(mask, 0, 100)
    broken.weights["a"][0, 0] = torch.nan
    assert update.mask(broken) == mask


MASK = some(0, 0.5)


@pytest.mark.parametrize(
    ("update", "named"),
    [
        (GradualPruning(1.0, 0, 100), "gradual.density=1.0: must lie above 0 and below 1"),
        (GradualPruning(0.5, 100, 0), "gradual.begin=100: .* gradual.end=0"),
        (GradualPruning(0.5, 0, 100), "gradual.begin=0: must lie between the first iteration 5 "),
        (GradualPruning(0.5, 100, 1000), "gradual.end=1000: must lie before the end of a training of 1000"),
        (GradualPruning(0.5, 100, 250, 100), "gradual.every=100: 100 to 250 is no multiple"),
        (GradualPruning(0.5, 100, 200, 0), "gradual.every=0: must be at least one"),
        (GradualPruning(0.02, 100, 200), r"gradual.density=0.02: .* c away \(layer collapse\): of its 15 weights"),
        (Set(0.0), "rewiring.drop=0.0"),
        (RigL(1.0), "rewiring.drop=1.0"),
        (RigL(0.3, 0), "rewiring.every=0"),
        (RigL(0.3, 1000), "rewiring.every=1000: the mask would never change: .* iteration 1000, the last is 749"),
        (RigL(0.3, 750), "rewiring.every=750: the mask would never change: .* iteration 750, the last is 749"),
        (RigL(0.3, 1000, anneal="learning_rate"), "rewiring.every=1000: .* iteration 1000, the last is 999"),
        (Set(0.3, 100, 50), "rewiring.every=100: .* the last is 49"),
        (Set(0.3, 100, 50, "learning_rate"), "rewiring.every=100: .* the last is 50"),
        (Set(0.3, 100, 1001), "rewiring.stop=1001: is past the end of a training of 1000"),
    ],
)
def test_what_cannot_be_is_an_error_that_names_it(update: GradualPruning | Set | RigL, named: str) -> None:
    with pytest.raises(SettingError, match=named):
        update.check(MASK, 5, 1000)


def test_a_mask_that_cannot_change_is_an_error() -> None:
    for update in (GradualPruning(0.5, 10, 110), Set()):
        with pytest.raises(LotteryError, match="names no layer"):
            update.check({}, 0, 1000)
    with pytest.raises(LotteryError, match="no pruned weight"):
        RigL().check(WHOLE, 0, 1000)
    for update in (GradualPruning(0.05, 3000, 7000), Set(), RigL()):
        update.check(MASK, 0, 11_719)


def test_fingerprints_keep_the_names_that_kept_trainings_have() -> None:
    parts = {"fc1.weight": ["fc1.weight"]}
    update = GradualCounts("magnitude", Selection(parts, "output", {"fc1.weight": 0}), {"fc1.weight": 4}, 5, 20, 5)
    assert update.fingerprint() == {
        "kind": "GradualLadder",
        "score": "magnitude",
        "selection": {"parts": parts, "shape": "output", "axes": {"fc1.weight": 0}, "norm": 2.0},
        "keep": {"fc1.weight": 4},
        "begin": 5,
        "end": 20,
        "every": 5,
    }
    assert not update.draws and replace(update, score="random").draws
    times = {"drop": 0.3, "every": 100, "stop": None}
    assert Set(anneal="learning_rate").fingerprint() == {"kind": "Set", **times}
    assert RigL(anneal="learning_rate").fingerprint() == {"kind": "RigL", **times, "examples": 1000}
    assert Set().fingerprint() == {"kind": "Set", **times, "anneal": "cosine"}
    assert GradualPruning(0.1, 5, 20, 100).fingerprint() == {
        "kind": "GradualPruning",
        "density": 0.1,
        "begin": 5,
        "end": 20,
        "every": 100,
    }
