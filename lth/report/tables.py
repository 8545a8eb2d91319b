"""Rows and tables: results, layers, curves, and of probes. Their columns are a contract that scripts rely on."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lth.core.files import write_csv
from lth.flow.levels import LINES, PROBES, Seen
from lth.lottery.arms import Outcome
from lth.pruning.mask import density as density_of
from lth.pruning.mask import kept
from lth.training.run_result import Observations, RunResult

RESULTS = [
    "experiment",
    "setting",
    "data",
    "model",
    "seed",
    "level",
    "arm",
    "draw",
    "status",
    "density",
    "sparsity",
    "weights_left",
    "rewind",
    "schedule",
    "early_stop_iteration",
    "early_stop_censored",
    "early_stop_val_loss",
    "early_stop_test_accuracy",
    "final_train_accuracy",
    "final_val_loss",
    "final_test_accuracy",
    "grad_norm_init",
    "grad_norm_end",
    "iterations",
    "seconds",
    "run",
]
LAYERS = [
    "run",
    "level",
    "arm",
    "draw",
    "layer",
    "size",
    "kept",
    "density",
    "grad_norm_init",
    "grad_norm_end",
]
CURVES = ["run", "iteration", "train_loss", "val_loss", "val_accuracy", "test_accuracy", "grad_norm", "lr"]

Row = dict[str, Any]


def gradient_norms(trace: RunResult) -> Observations:
    """The observed gradient norms of `trace`, (iteration, norm by parameter and `total`); empty where not looked at."""
    return next((seen for key, seen in trace.observed.items() if key.startswith("gradient_norm")), [])


def result_row(outcome: Outcome, about: Mapping[str, Any]) -> Row:
    """The row of `results.csv` for one trained arm; `about` gives the columns that name the experiment."""
    trace, job = outcome.result, outcome.spec
    done = trace.status == "done"
    early = trace.early_stop if done else None
    final = trace.points[-1] if done else None
    norms = gradient_norms(trace)
    mask = trace.mask(job.mask)
    density = outcome.level.density if mask is job.mask else density_of(mask)  # a mask that changed has its own
    row = {
        **dict.fromkeys(RESULTS),
        "experiment": "imp",
        **about,
        "level": outcome.level.index,
        "arm": outcome.arm,
        "draw": outcome.draw,
        "status": trace.status,
        "density": density,
        "sparsity": 1 - density,
        "weights_left": sum(kept(mask).values()),
        "rewind": job.plan.start,
        "final_train_accuracy": trace.train_accuracy,
        "grad_norm_init": norms[0][1]["total"] if norms else None,
        "grad_norm_end": norms[-1][1]["total"] if norms and done else None,
        "iterations": job.plan.stop,
        "seconds": round(trace.seconds, 3),
        "run": trace.run,
    }
    if early:
        row |= {
            "early_stop_iteration": early.iteration,
            "early_stop_censored": trace.censored,
            "early_stop_val_loss": early.val_loss,
            "early_stop_test_accuracy": early.test_accuracy,
        }
    if final:
        row |= {"final_val_loss": final.val_loss, "final_test_accuracy": final.test_accuracy}
    return row


def layer_rows(outcome: Outcome) -> list[Row]:
    """The rows of `layers.csv` for one trained arm, a prunable layer each."""
    norms = gradient_norms(outcome.result)
    done = outcome.result.status == "done"
    mask = outcome.result.mask(outcome.spec.mask)
    return [
        {
            "run": outcome.result.run,
            "level": outcome.level.index,
            "arm": outcome.arm,
            "draw": outcome.draw,
            "layer": name.removesuffix(".weight"),
            "size": mask[name].numel(),
            "kept": count,
            "density": count / mask[name].numel(),
            "grad_norm_init": norms[0][1].get(name) if norms else None,
            "grad_norm_end": norms[-1][1].get(name) if norms and done else None,
        }
        for name, count in kept(mask).items()
    ]


def curve_rows(trace: RunResult) -> list[Row]:
    """The rows of `curves.csv` for one training, an iteration each; what was not measured there is None."""
    rows: dict[int, Row] = {
        point.iteration: {
            **dict.fromkeys(CURVES),
            **{key: getattr(point, key) for key in CURVES if hasattr(point, key)},
            "run": trace.run,
        }
        for point in trace.points
    }
    for iteration, norms in gradient_norms(trace):
        row = rows.setdefault(iteration, {**dict.fromkeys(CURVES), "run": trace.run, "iteration": iteration})
        row["grad_norm"] = norms["total"]
    return [rows[iteration] for iteration in sorted(rows)]


class Tables:
    """The tables of a job as they grow, written whole after every level; those of probes where there are any."""

    def __init__(self, folder: Path, about: Mapping[str, Any]) -> None:
        self.folder, self.about = folder, about
        self.results: list[Row] = []
        self.layers: list[Row] = []
        self.curves: list[Row] = []
        self.probes: list[Row] = []
        self.lines: list[Row] = []
        self._drawn: set[str] = set()
        self._placed: set[tuple[str, int, str, int]] = set()

    def add(self, outcome: Outcome, about: Mapping[str, Any] | None = None) -> Row:
        """Adds one trained arm; its row of `results.csv`. `about`: where it is not that of the whole job."""
        row = result_row(outcome, about or self.about)
        self.results.append(row)
        place = (outcome.result.run, outcome.level.index, outcome.arm, outcome.draw)
        if place not in self._placed:  # the dense network is that of several settings
            self._placed.add(place)
            self.layers += layer_rows(outcome)
        if outcome.result.run not in self._drawn:  # two arms may be one training
            self._drawn.add(outcome.result.run)
            self.curves += curve_rows(outcome.result)
        return row

    def add_seen(self, seen: Seen) -> None:
        """Adds what probes saw at a level."""
        self.probes += seen.probes
        self.lines += seen.lines

    def write(self) -> None:
        """Writes `results.csv`, `layers.csv` and `curves.csv`; with rows, `probes.csv` and `lines.csv`."""
        tables: Iterable[tuple[str, Sequence[str], list[Row]]] = (
            ("results", RESULTS, self.results),
            ("layers", LAYERS, self.layers),
            ("curves", CURVES, self.curves),
            ("probes", PROBES, self.probes),
            ("lines", LINES, self.lines),
        )
        for name, columns, rows in tables:
            if name in ("probes", "lines") and not rows:
                continue
            write_csv(self.folder / f"{name}.csv", columns, rows)
