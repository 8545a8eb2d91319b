"""How many seeds a difference takes: against the power of the t test by simulation, and on rows of known variance."""

import math

import numpy as np
import pytest
from scipy import stats

from lth.report.power import Interest, explained, power_rows, power_sheet, seeds_for
from lth.report.tables import RESULTS


def row(seed, level, arm, accuracy, stop, examples=10**8):
    place = {"setting": "one", "seed": seed, "level": level, "arm": arm, "draw": 0, "status": "done"}
    values = {"early_stop_test_accuracy": accuracy, "early_stop_iteration": stop, "early_stop_censored": False}
    made = {"run": f"{seed} {level} {arm}", "density": 0.5**level, "iterations": 10_000, "test_examples": examples}
    return dict.fromkeys(RESULTS) | place | values | made


def sweep(deviation, seeds=4, **more):
    off = stats.norm.ppf((np.arange(seeds) + 0.5) / seeds)
    off *= deviation / off.std(ddof=1)
    rows = [row(seed, 0, "ticket", 0.98, 4000, **more) for seed in range(seeds)]
    rows += [row(seed, 1, "ticket", 0.98 + off[seed] / 100, 2000 + 100 * seed, **more) for seed in range(seeds)]
    return rows + [row(seed, 1, "reinit", 0.97, 4000, **more) for seed in range(seeds)]


@pytest.mark.parametrize("ratio", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("power", [0.5, 0.8, 0.95])
def test_so_many_seeds_have_the_power_and_one_fewer_has_not(ratio, power):
    n = seeds_for(ratio, 1.0, power)
    values = np.random.default_rng(0).normal(ratio, 1.0, (20_000, n))

    def found(values):
        count = values.shape[1]
        half = stats.t.ppf(0.975, count - 1) * values.std(1, ddof=1) / math.sqrt(count)
        return float((values.mean(1) - half > 0).mean())

    assert found(values) > power - 0.01
    assert n == 3 or found(values[:, 1:]) < power + 0.01


def test_no_variance_takes_the_fewest_and_too_much_takes_more_than_are_looked_for():
    assert seeds_for(0.1, 0.0) == 3
    assert seeds_for(0.001, 1.0) is None


@pytest.mark.parametrize("deviation", [0.1, 0.5])
def test_the_deviation_is_that_of_the_differences(deviation):
    dense, reinit, speed = power_rows(sweep(deviation), Interest(0.3, 1.2))
    assert (dense["pair"], reinit["pair"], speed["pair"]) == ("ticket - dense", "ticket - reinit", "ticket / dense")
    assert dense["deviation"] == pytest.approx(reinit["deviation"]) == pytest.approx(deviation)
    assert dense["seeds"] == seeds_for(0.3, deviation) < dense["seeds_upper"]
    assert dense["test_examples_factor"] == 1.0 and speed["difference"] == pytest.approx(1.2)
    assert [cells[0] for cells in power_sheet("x", [dense]).cells] == ["ticket \N{MINUS SIGN} dense"]


def test_a_difference_below_the_error_of_the_test_set_takes_more_test_examples():
    [dense, *_] = power_rows(sweep(0.1, examples=10_000), Interest(0.2))
    error = 100 * math.sqrt(2 * 0.98 * 0.02 / 10_000)
    assert dense["test_error"] == pytest.approx(error, rel=0.02)
    factor = (2.8016 * error / 0.2) ** 2
    assert dense["test_examples_factor"] == pytest.approx(factor, rel=0.04)
    assert "more test examples" not in explained([dense])[0] and "test set" in explained([dense])[1]


def test_one_seed_has_no_variance():
    assert power_rows([x for x in sweep(0.1) if x["seed"] == 0], Interest()) == []
