"""Scores of weights: a finite number for each weight, those of the papers, and nothing changed."""

import pytest
import torch

from lth.core.errors import LotteryError, SettingError
from lth.core.rng import rng
from lth.core.weights import digest
from lth.pruning.schedule import Pruning
from lth.pruning.scores import SCORES, check_score
from lth.pruning.scores.inputs import ScoreInputs

FINAL = {"a": torch.tensor([[-2.0, 1.0], [0.0, -0.5]]), "b": torch.randn(3, 2, 2, 2, generator=rng(0))}
INITIAL = {"a": torch.tensor([[-1.0, -3.0], [2.0, -0.5]]), "b": torch.randn(3, 2, 2, 2, generator=rng(1))}
MASK = {name: torch.ones(x.shape, dtype=torch.bool) for name, x in FINAL.items()}
NEEDS = {name: SCORES.get(name, "score").needs for name in SCORES}
COMPARING = [name for name, needs in NEEDS.items() if "initial" in needs]
OF_NETWORK = [name for name, needs in NEEDS.items() if "network" in needs]
OF_WEIGHTS = [name for name in SCORES if name not in OF_NETWORK]
IN_TRAINING = ["magnitude", "large_final", "random", "small_final"]

ZHOU = {  # by hand, of "a" above: wf = -2, 1, 0, -0.5 and wi = -1, -3, 2, -0.5; |wi| by the ranks of |wf|: 3, 2, 0.5, 1
    "magnitude": [2.0, 1.0, 0.0, 0.5],
    "large_final": [2.0, 1.0, 0.0, 0.5],
    "small_final": [-2.0, -1.0, 0.0, -0.5],
    "large_init": [1.0, 3.0, 2.0, 0.5],
    "small_init": [-1.0, -3.0, -2.0, -0.5],
    "large_init_large_final": [1.0, 2.0, 0.5, 0.5],
    "small_init_small_final": [-3.0, -3.0, -2.0, -1.0],
    "magnitude_increase": [1.0, -2.0, -2.0, 0.0],
    "movement": [1.0, 4.0, 2.0, 0.0],
    "movement_away": [1.5, -4.0, -2.0, 0.0],
    "large_final_same_sign": [2.0, 0.0, 0.0, 0.5],
    "large_final_diff_sign": [0.0, 1.0, 0.0, 0.0],
    "large_init_same_sign": [1.0, 0.0, 0.0, 0.5],
    "large_init_large_final_same_sign": [1.0, 0.0, 0.0, 0.5],
    "magnitude_increase_same_sign": [1.0, 0.0, 0.0, 0.0],
    "movement_same_sign": [1.0, 0.0, 0.0, 0.0],
}


def inputs(final: dict = FINAL, *where: int, **changes: object) -> ScoreInputs:
    return ScoreInputs(**({"weights": final, "mask": MASK, "generator": rng(0, *where), "initial": INITIAL} | changes))


@pytest.mark.parametrize("name", OF_WEIGHTS)
def test_a_score_has_a_finite_number_for_each_weight_and_changes_nothing(name: str) -> None:
    before = digest(FINAL), digest(INITIAL)
    scores = SCORES.get(name, "score")(inputs())
    assert {key: score.shape for key, score in scores.items()} == {key: x.shape for key, x in FINAL.items()}
    assert all(bool(score.isfinite().all()) for score in scores.values())
    assert (digest(FINAL), digest(INITIAL)) == before
    torch.rand(3)
    assert digest(SCORES.get(name, "score")(inputs())) == digest(scores)


def test_every_score_of_weights_is_that_of_its_paper() -> None:
    assert set(ZHOU) | {"random"} == set(OF_WEIGHTS)
    for name, expected in ZHOU.items():
        assert SCORES.get(name, "score")(inputs())["a"].flatten().tolist() == pytest.approx(expected), name


@pytest.mark.parametrize(("name", "sign"), [("large_init_large_final", 1), ("small_init_small_final", -1)])
def test_what_both_keep_is_what_the_quantiles_of_both_keep_at_one_percentile(name: str, sign: int) -> None:
    """The authors' code: the two masks at a common percentile, and of those the intersection; out of what is kept."""
    final, initial = (torch.randn(40, 5, generator=rng(seed)) * scale for seed, scale in ((1, 3.0), (2, 0.1)))
    alive = torch.rand(40, 5, generator=rng(3)) < 0.8
    score = SCORES.get(name, "score")(ScoreInputs({"w": final}, {"w": alive}, rng(0), {"w": initial}))["w"][alive]
    for cut in (20, 70, 110):
        both = torch.ones(len(score), dtype=torch.bool)
        for weights in (final, initial):
            both &= (sign * weights.abs()[alive]).argsort().argsort() >= cut
        kept = torch.zeros(len(score), dtype=torch.bool)
        kept[score.argsort()[len(score) - int(both.sum()) :]] = True
        assert 0 < int(both.sum()) < len(both) and torch.equal(kept, both)


def test_what_is_pruned_plays_no_part_in_what_the_others_score() -> None:
    mask = {"a": torch.tensor([[True, False], [True, True]]), "b": MASK["b"]}
    other = {"a": torch.tensor([[-2.0, 99.0], [0.0, -0.5]]), "b": FINAL["b"]}
    for name in COMPARING:
        first, second = (SCORES.get(name, "score")(inputs(x, mask=mask))["a"][mask["a"]] for x in (FINAL, other))
        assert torch.equal(first, second), name


def test_random_draws_again_for_another_address_whatever_the_weights() -> None:
    random = SCORES.get("random", "score")
    assert not torch.equal(random(inputs(FINAL, 1))["b"], random(inputs(FINAL, 2))["b"])
    assert digest(random(inputs({name: -x for name, x in FINAL.items()}))) == digest(random(inputs()))


def test_movement_away_is_the_sum_of_sanhs_under_plain_sgd() -> None:
    """On loss = sum of (w - 1)^2 / 2, by steps: -rate * w * gradient, summed, against the two ends."""
    weight = initial = torch.linspace(-1, 2, 7, dtype=torch.float64)
    total, rate = torch.zeros_like(weight), 1e-4
    for _ in range(5_000):
        gradient = weight - 1
        total -= rate * weight * gradient
        weight = weight - rate * gradient
    given = inputs({"a": weight}, mask={"a": weight < 9}, initial={"a": initial})
    ends = SCORES.get("movement_away", "score")(given)["a"]
    assert torch.allclose(ends, total, atol=1e-4)


@pytest.mark.parametrize("name", [*COMPARING, *OF_NETWORK])
def test_what_a_score_needs_and_was_not_given_is_one_line(name: str) -> None:
    with pytest.raises(LotteryError, match="not given"):
        SCORES.get(name, "score")(inputs(initial=None))


@pytest.mark.parametrize("name", list(SCORES))
def test_scores_that_make_no_sense_there_are_refused(name: str) -> None:
    check_score(Pruning(score=name))
    for how, fits in (({"score_at": "init"}, name not in COMPARING), ({"schedule": "gradual"}, name in IN_TRAINING)):
        if fits:
            check_score(Pruning(score=name, **how))
        else:
            with pytest.raises(SettingError, match=f"pruning.score={name}: c"):
                check_score(Pruning(score=name, **how))


def test_an_unknown_score_is_named_with_those_that_there_are() -> None:
    expected = r"pruning.score=magnitudes: is no score; did you mean magnitude\? known: magnitude, .*synflow"
    with pytest.raises(SettingError, match=expected):
        check_score(Pruning(score="magnitudes"))
