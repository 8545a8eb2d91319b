"""The failure rate: what counts as failed, distinct trainings alone, and the exact interval."""

import pytest
from scipy.stats import binom

from lth.report.failures import Failures, failed, failures

ROW = {"run": "a", "status": "done", "final_test_accuracy": 0.97, "chance": 0.1135, "test_examples": 10_000}


@pytest.mark.parametrize(("count", "n"), [(0, 5), (2, 5), (5, 5), (1, 30)])
def test_the_interval_is_that_of_clopper_and_pearson(count: int, n: int) -> None:
    low, high = Failures(count, n).interval()
    assert low == 0 if count == 0 else binom.sf(count - 1, n, low) == pytest.approx(0.025)
    assert high == 1 if count == n else binom.cdf(count, n, high) == pytest.approx(0.025)


def test_a_diverged_training_and_one_that_predicts_a_single_class_failed() -> None:
    assert not failed(ROW)
    assert failed(ROW | {"status": "diverged", "final_test_accuracy": None})
    assert failed(ROW | {"final_test_accuracy": 0.1135})
    assert failed(ROW | {"final_test_accuracy": 0.12}) and not failed(ROW | {"final_test_accuracy": 0.13})


def test_rows_that_do_not_know_the_most_frequent_class_take_it_from_the_caller() -> None:
    old = ROW | {"chance": None, "test_examples": None, "final_test_accuracy": 0.1135}
    assert not failed(old) and failed(old, chance=0.1135)


def test_a_training_counts_once_whatever_it_is_called() -> None:
    rows = [ROW | {"run": run, "seed": seed, "status": "diverged"} for seed, run in enumerate("aab")]
    assert failures(rows) == Failures(2, 2)
