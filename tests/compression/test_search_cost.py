"""What a ticket took to find is the sum over the trainings that its mask comes from."""

from typing import Any

import pytest

from lth.compression.search_cost import Pace, ScoreCost, search_cost
from lth.core.errors import LotteryError

PACE = Pace(5, 50)


def rows(schedule: str = "iterative", rewind: int = 0) -> list[dict[str, Any]]:
    about = {"setting": "s", "seed": 0, "schedule": schedule, "rewind": rewind, "iterations": 100, "draw": 0}
    tickets = [{**about, "level": level, "arm": "ticket", "seconds": 10.0 + level} for level in range(4)]
    return [*tickets, {**about, "level": 3, "arm": "reinit", "seconds": 1e6}]


def test_iterative_pruning_takes_every_level_before() -> None:
    searched = search_cost(rows(), 3, PACE)
    assert (searched.trainings, searched.iterations, searched.epochs) == (3, 300, 6)
    assert (searched.flops, searched.seconds, searched.estimated) == (1500, 33, False)
    dense = search_cost(rows(), 0, PACE)
    assert (dense.trainings, dense.iterations, dense.seconds) == (0, 0, 0)


def test_one_shot_takes_the_dense_training_alone() -> None:
    assert search_cost(rows("one_shot"), 3, PACE).iterations == 100


def test_a_score_at_initialisation_takes_no_training() -> None:
    for schedule in ("one_shot_at_init", "iterative_at_init", "snip_at_init"):
        searched = search_cost(rows(schedule), 3, PACE)
        assert (searched.trainings, searched.iterations, searched.flops, searched.seconds) == (0, 0, 0, 0)


def test_a_score_that_asks_the_network_counts_at_every_pruning() -> None:
    scoring = ScoreCost(0.01, 7, 0.5)
    for schedule, level, scores, iterations in (
        ("snip_at_init", 3, 1, 0),
        ("iterative_at_init", 3, 3, 0),
        ("one_shot", 3, 1, 100),
        ("iterative", 2, 2, 200),
        ("iterative", 0, 0, 0),
    ):
        searched, bare = (search_cost(rows(schedule), level, PACE, given) for given in (scoring, None))
        assert (searched.scores, searched.flops, searched.iterations) == (
            scores,
            5 * iterations + 7 * scores,
            iterations,
        )
        assert searched.seconds == bare.seconds + 0.5 * scores and bare.scores == 0


def test_gradual_pruning_has_a_training_that_no_row_holds() -> None:
    with pytest.raises(LotteryError, match="cost of its search is not known"):
        search_cost(rows("gradual"), 3, PACE)


def test_the_training_to_the_rewind_point_counts_once() -> None:
    searched = search_cost(rows(rewind=20), 3, PACE)
    assert searched.trainings == 4 and searched.iterations == 20 + 3 * 80
    assert searched.seconds == 33 + 10 / 80 * 20 and searched.estimated


def test_missing_and_mixed_rows_are_named() -> None:
    with pytest.raises(LotteryError, match="no ticket of level 9"):
        search_cost(rows(), 9, PACE)
    with pytest.raises(LotteryError, match="comes from level 1"):
        search_cost([row for row in rows() if row["level"] != 1], 3, PACE)
    with pytest.raises(LotteryError, match="several settings or seeds"):
        search_cost([*rows(), {**rows()[0], "seed": 1}], 3, PACE)
