"""What methods show together: the most accurate first, and ablations with a verdict from three seeds on."""

import pytest
from lth.experiments.at_init.answer import NEXT, answer, effect_words, effects, paragraphs

from lth.report.intervals import t_interval
from lth.report.results import Results


def sentence_of(rows):
    """What the rows show, in one paragraph."""
    return " ".join(paragraphs(rows))


def test_effects_are_means_over_densities_by_seed(make_rows):
    found = effects(make_rows(), "reinit")
    assert found["imp"] == pytest.approx([-1.0] * 3) and found["snip"] == pytest.approx([0.1, 0.11, 0.12])


def test_one_seed_has_numbers_with_their_error_and_no_verdict(make_rows):
    *parts, last = answer(Results({"results": make_rows(seeds=1)}, None, {"test": 10_000}))
    text = " ".join(parts)
    assert last == NEXT and text.startswith(
        "Test accuracy (%) at the end, with 2.2% of the weights: imp 98.00, magnitude_after"
    )
    assert "One seed: no verdict" in text and "hurts" not in text and "snip +0.10" in text
    accuracy = (4 * 0.98 + 3 * sum((0.975, 0.97, 0.969, 0.971, 0.968, 0.95))) / 22  # imp has a level more
    error = 100 * (2 * accuracy * (1 - accuracy) / 10_000) ** 0.5
    assert f"on 10,000 test examples is {error:.2f} points" in text


def test_three_seeds_say_what_ablations_do(make_rows):
    text = sentence_of(make_rows())
    low, high = (getattr(t_interval([0.1, 0.11, 0.12]), end) for end in ("low", "high"))
    hurt = "Shuffling hurts imp -1.00 [-1.00, -1.00], magnitude_after -0.50 [-0.50, -0.50]; helps synflow +0.11"
    assert hurt in text and f"snip +0.11 [{low:+.2f}, {high:+.2f}]" in text and "no verdict" not in text


def test_what_was_not_run_is_not_told(make_rows):
    alone = sentence_of([row for row in make_rows(methods=["snip"]) if row["arm"] == "ticket"])
    assert "snip 97.02 (dense 98.00)" in alone and "huffling" not in alone
    assert sentence_of([row for row in make_rows() if not row["level"]]) == "Nothing was pruned."


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ((-2.0, -1.9, -2.1), "hurts"),
        ((0.1, 0.11, 0.12), "helps"),
        ((-1, 1, 0), "is undecided for"),
        ((-2.0,), "is undecided for"),
    ],
)
def test_an_effect_is_decided_where_its_interval_lies_on_one_side(values, word):
    assert effect_words({"snip": t_interval(values)}) == {"snip": word}


def test_what_an_ablation_does_is_corrected_for_the_number_of_methods():
    values = (0.5, 0.8, 1.0)  # p = 0.034
    assert effect_words({"snip": t_interval(values)}) == {"snip": "helps"}
    intervals = {"snip": t_interval(values), "grasp": t_interval((-1, 1, 0))}
    assert set(effect_words(intervals).values()) == {"is undecided for"}


def test_failed_trainings_are_in_no_mean_and_are_named(make_rows):
    rows = make_rows(chance=0.5)
    before = effects(rows, "reinit")["snip"]
    lost = next(row for row in rows if row["run"] == "snip113reinit")
    lost |= {"final_test_accuracy": 0.5}
    (first, second, third) = effects(rows, "reinit")["snip"]
    assert (first, third) == (before[0], before[2]) and second == pytest.approx(0.11)  # the other two levels
    assert "In no mean: snip reinit 1 of 9 failed (0% to 48%)." in sentence_of(rows)


def test_one_training_under_three_seeds_is_one(make_rows):
    rows = [row | {"run": f"{row['setting']}{row['level']}{row['arm']}"} for row in make_rows()]
    assert "One seed: no verdict" in sentence_of(rows)
