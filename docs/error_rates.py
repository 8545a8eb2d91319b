"""How often the headline of `lth report` is wrong, on simulated experiments whose truth is known.

    python docs/error_rates.py [EXPERIMENTS]     the table in docs/pages/concepts/error_rates.md (500: 20 minutes)

An experiment is n seeds of a dense network and, at each density, of a ticket, reinit and shuffle. Each network has a
true accuracy and noise of its training. It classifies an example of the experiment's test set correctly if its skill
plus noise of its own exceeds the difficulty of the example, which all networks share. So networks are wrong on many of
the same examples, as real ones are. Early stops are log-normal, in steps of 100 iterations.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import ndtri

from lth.core.tables import Row
from lth.report.correct import KEY, encoded
from lth.report.failures import Failures
from lth.report.tables import RESULTS
from lth.report.verdict import smallest, verdicts

PAGE = Path(__file__).parent / "pages" / "concepts" / "error_rates.md"
BEGIN, END = "<!-- error rates -->", "<!-- end -->"
SEEDS = (3, 5, 10)
EXAMPLES = 2500
"""Of the simulated test set."""
NOISE = 0.5
"""Standard deviation of a network's own noise on an example, in units of that of the difficulty of examples."""


@dataclass(frozen=True)
class Truth:
    """What is true of an experiment. dense: accuracy; others: points of accuracy that the ticket lies above them.

    ratio: the ticket's early stop over dense's. levels: how many densities are compared. shared: the part of the
    variance of training noise that all densities of a seed have in common. diverging: how many tickets diverge, 0..1.
    spread: standard deviation of accuracy over seeds, in points. claim: the headline that is looked for.
    """

    title: str
    right: str
    above_dense: float = 0.0
    above_reinit: float = 0.0
    above_shuffle: float = 0.0
    ratio: float = 1.0
    levels: int = 1
    shared: float = 0.0
    diverging: float = 0.0
    dense: float = 0.976
    spread: float = 0.1
    claim: str = "winning"


SCAN = Truth(
    "ticket and reinit are alike, all else speaks for the ticket; 16 densities",
    "no winning ticket",
    above_dense=0.6,
    above_shuffle=0.6,
    ratio=0.5,
    levels=16,
)
TRUTHS = {
    "null": Truth("ticket, dense, reinit and shuffle are all alike; 16 densities", "no winning ticket", levels=16),
    "scan": SCAN,
    "correlated": replace(
        SCAN, title="the same, with half of the variance of a seed's noise shared by all densities", shared=0.5
    ),
    "worse": Truth(
        "the ticket is 0.3 points less accurate than dense, and better than its controls",
        "no matching ticket",
        above_dense=-0.3,
        above_reinit=1.5,
        above_shuffle=1.5,
        ratio=0.5,
        claim="matching",
    ),
    "diverging": Truth(
        "the ticket is better and faster than all others, and 30% of its trainings diverge",
        "no winning ticket",
        above_dense=1.5,
        above_reinit=1.5,
        above_shuffle=1.5,
        ratio=0.5,
        diverging=0.3,
    ),
    "winning": Truth(
        "0.65 points better than dense, 0.64 than reinit, 1.25 than shuffle, 0.54 times the early stop; 7 densities",
        "a winning ticket",
        above_dense=0.65,
        above_reinit=0.64,
        above_shuffle=1.25,
        ratio=0.54,
        levels=7,
    ),
}


def experiment(truth: Truth, n: int, random: np.random.Generator) -> list[Row]:
    """The rows of one simulated experiment with `n` seeds."""
    difficulty = random.normal(size=EXAMPLES)
    rows = []
    for seed in range(n):
        common = random.normal()
        for level in range(truth.levels + 1):
            for arm, above in _arms(truth, level).items():
                noise = np.sqrt(truth.shared) * common + np.sqrt(1 - truth.shared) * random.normal()
                accuracy = truth.dense + (above + truth.spread * noise) / 100
                right = _right(accuracy, difficulty, random)
                stop = _stop(4500 * (truth.ratio if arm == "ticket" and level else 1.0), random)
                lost = arm == "ticket" and level > 0 and random.random() < truth.diverging
                rows.append(_row(seed, level, arm, right, stop, lost))
    return rows


def _arms(truth: Truth, level: int) -> dict[str, float]:
    """Arm -> points that it truly lies above the dense network, at `level`."""
    if level == 0:
        return {"ticket": 0.0}
    ticket = truth.above_dense
    return {"ticket": ticket, "reinit": ticket - truth.above_reinit, "shuffle": ticket - truth.above_shuffle}


def _right(accuracy: float, difficulty: np.ndarray[Any, Any], random: np.random.Generator) -> np.ndarray[Any, Any]:
    """Which examples a network whose true accuracy is `accuracy` classifies correctly."""
    skill = ndtri(accuracy) * np.sqrt(1 + NOISE**2)
    return skill + NOISE * random.normal(size=EXAMPLES) > difficulty


def _stop(iteration: float, random: np.random.Generator) -> int:
    return int(max(100, round(iteration * np.exp(0.25 * random.normal()) / 100) * 100))


def _row(seed: int, level: int, arm: str, right: np.ndarray[Any, Any], stop: int, lost: bool) -> Row:
    about = {"experiment": "imp", "setting": "one", "data": "x", "model": "y", "schedule": "iterative", "draw": 0}
    place = {"seed": seed, "level": level, "arm": arm, "density": 0.8**level, "run": f"{seed} {level} {arm}"}
    row = dict.fromkeys(RESULTS) | about | place | {"iterations": 15_000, "test_examples": EXAMPLES}
    if lost:
        return row | {"status": "diverged"}
    cells = {KEY: {"early_stop": encoded(np.packbits(right).tobytes())}}
    stops = {"early_stop_iteration": stop, "early_stop_censored": False}
    return row | {"status": "done", "early_stop_test_accuracy": float(right.mean())} | stops | cells


def positives(truth: Truth, n: int, experiments: int, seed: int = 0) -> Failures:
    """In how many of `experiments` the headline names a density, as a count with its exact interval."""
    random = np.random.default_rng([seed, n])
    counted = sum(
        dict(smallest(verdicts(experiment(truth, n, random))))[truth.claim] is not None for _ in range(experiments)
    )
    return Failures(counted, experiments)


def table(experiments: int, tell: Callable[[str], object] = print) -> str:
    """The rates of all TRUTHS as a Markdown table."""
    heads = ["truth", "right answer", *(f"n = {n}" for n in SEEDS)]
    lines = [f"| {' | '.join(heads)} |", "| --- " * len(heads) + "|"]
    return "\n".join([*lines, *(_cells(truth, experiments, tell) for truth in TRUTHS.values())])


def _cells(truth: Truth, experiments: int, tell: Callable[[str], object]) -> str:
    cells = [f"{truth.title}", truth.right]
    for n in SEEDS:
        rate = positives(truth, n, experiments)
        low, high = rate.interval()
        cells.append(f"{100 * rate.failed / rate.n:.1f} ({100 * low:.1f} to {100 * high:.1f})")
        tell(f"{truth.title}, n = {n}: {cells[-1]}")
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Writes the table into the page."""
    experiments = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    before, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
    _, after = rest.split(END)
    count = f"{experiments:,} experiments for each cell, with {EXAMPLES:,} test examples each:\n\n"
    PAGE.write_text(f"{before}{BEGIN}\n{count}{table(experiments)}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
