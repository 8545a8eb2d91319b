"""The sentence on top: the smallest densities, what few seeds can say, and what seeds have in common."""

import numpy as np
import pytest

from lth.report.correct import KEY, encoded
from lth.report.headline import counted, sentence
from lth.report.tables import RESULTS


def result(seed, level, arm="ticket", **values):
    """One row of results, made up: each seed a tenth of a point better than the one before."""
    place = {"experiment": "imp", "setting": "id", "data": "small", "model": "lenet", "schedule": "iterative"}
    place |= {"seed": seed, "level": level, "arm": arm, "draw": 0, "status": "done", "density": 0.8**level}
    stops = {"early_stop_iteration": 1000 * level + 100 * seed + 100, "early_stop_censored": False, "iterations": 3000}
    accuracy = {"early_stop_test_accuracy": (0.9 if arm == "ticket" else 0.85) + 0.001 * seed}
    made = {"run": f"{arm}-{level}-{seed}", "test_examples": 10**8}
    return dict.fromkeys(RESULTS) | place | stops | accuracy | made | values


def sweep(seeds=3, **values):
    rows = [result(seed, level, **values) for seed in range(seeds) for level in range(3)]
    return rows + [result(seed, level, "reinit", **values) for level in (1, 2) for seed in range(seeds)]


def test_the_sentence_gives_the_smallest_densities_or_says_that_there_is_none():
    assert sentence(sweep()) == (
        "small, lenet, iterative (id): 3 seeds; the smallest density with a matching ticket is 64.0%;"
        " at no density is the ticket found to be winning (within 0.2 points, 1.1 times)."
    )
    worse = [row | {"early_stop_test_accuracy": 0.5} if row["level"] else row for row in (sweep())]
    assert sentence(worse) == (
        "small, lenet, iterative (id): 3 seeds; at no density is the ticket found to be matching;"
        " at no density is the ticket found to be winning (within 0.2 points, 1.1 times)."
    )


@pytest.mark.parametrize(("seeds", "words"), [(1, "1 seed"), (2, "2 seeds")])
def test_few_seeds_give_no_verdict(seeds, words):
    rows = [row for row in (sweep()) if row["seed"] < seeds]
    assert sentence(rows) == f"small, lenet, iterative (id): {words}, no verdict: that takes 3 distinct trainings."


def test_a_setting_without_a_pruned_network_has_no_ticket_to_find():
    dense = [row for row in sweep() if row["level"] == 0]
    assert sentence(dense) == "small, lenet, iterative (id): 3 seeds; the dense network alone."


def test_seeds_that_share_their_trainings_are_no_seeds():
    rows = [row | {"run": f"{row['arm']} {row['level']}"} for row in sweep()]
    assert "3 seeds, 1 distinct training, no verdict" in sentence(rows)


@pytest.mark.parametrize(("column", "words"), [("seed_init", "initial weights"), ("seed_order", "order of examples")])
def test_what_the_seeds_share_is_said(column, words):
    apart = [row | {"seed_init": row["seed"], "seed_order": row["seed"]} for row in sweep()]
    assert "share" not in sentence(apart) and "share" not in sentence(sweep())
    assert f"Several seeds share their {words}" in sentence([row | {column: 0} for row in apart])


def test_one_seed_can_say_what_its_test_set_says():
    """12 examples that the ticket alone gets right, and 2 that reinit alone does: McNemar's p is 0.0129."""

    def row(level, arm, wrong):
        right = np.ones(1000, dtype=bool)
        right[wrong] = False
        cells = {"early_stop": encoded(np.packbits(right).tobytes())}
        accuracy = {"early_stop_test_accuracy": right.mean(), "test_examples": 1000, KEY: cells}
        return result(0, level, arm, **accuracy)

    rows = [row(0, "ticket", range(10)), row(1, "ticket", range(2)), row(1, "reinit", range(2, 14))]
    assert sentence(rows) == (
        "small, lenet, iterative (id): 1 seed, no verdict: that takes 3 distinct trainings. On this test set the ticket"
        " at 80.0% differs by +0.80 points against dense (p = 0.008), +1.00 points against reinit (p = 0.013):"
        " McNemar's exact test, about these networks alone."
    )


def test_one_is_not_many():
    assert [counted(count, "seed") for count in (0, 1, 2)] == ["0 seeds", "1 seed", "2 seeds"]
