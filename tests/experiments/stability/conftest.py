"""Made-up results of `lth stability`: two rewind points and more, several seeds, two children each."""

from itertools import product

import pytest
from lth.experiments.stability.tables import LINES, STABILITY

from lth.report.tables import RESULTS

TOTAL = 1_000


@pytest.fixture(scope="session")
def make_rows():
    """`make_rows(instability, accuracy)` -> (rows of stability.csv, of results.csv, of lines.csv).

    instability: (level, arm) -> rewind point -> the value of each seed; accuracy: the same, in percent (None: 90).
    """

    def make(instability, accuracy=None):
        tables = [], [], []
        for (level, arm), by_rewind in instability.items():
            for k, values in by_rewind.items():
                for seed, value in enumerate(values):
                    place = {"setting": f"s{k}", "schedule": f"iterative_k{k}", "level": level, "arm": arm}
                    place |= {"seed": seed, "density": 0.8**level, "rewind": k}
                    runs = [f"{level}{arm}-{k}-{seed}-{child}" for child in (0, 1)]
                    pair = {"first": 0, "second": 1, "run": runs[0], "other_run": runs[1], "total": TOTAL}
                    measured = dict.fromkeys((x for x in STABILITY.names if x.endswith(("ility", "olated"))), value)
                    measured |= {"distance": 1.0, "distance_from_start": 2.0, "disagreement": 0.05}
                    row = {**dict.fromkeys(STABILITY), "status": "done", **place, **pair, **measured}
                    tables[0].append(row | {"test_instability_error": 0.1})
                    percent = 90.0 if accuracy is None else accuracy[level, arm][k][seed]
                    tables[1].extend(result(place, draw, run, percent) for draw, run in enumerate(runs))
                    for split, alpha in product(("train", "test"), (0.0, 0.5, 1.0)):
                        error = 0.1 + (value or 0.0) / 100 * (alpha == 0.5)
                        at = {"split": split, "batch_norm": "recalculated", "alpha": alpha, "accuracy": 1 - error}
                        shared = {name: x for name, x in {**place, **pair}.items() if name in LINES.names}
                        tables[2].append({**dict.fromkeys(LINES), **shared, **at, "seed": seed})
        return tables

    return make


def result(place, draw, run, percent):
    """A row of results.csv."""
    about = {"experiment": "stability", "data": "mnist", "model": "mlp", "iterations": TOTAL, "status": "done"}
    about |= {"test_examples": 10**9}  # so many that they leave no error
    return {**dict.fromkeys(RESULTS), **about, **place, "draw": draw, "run": run, "final_test_accuracy": percent / 100}
