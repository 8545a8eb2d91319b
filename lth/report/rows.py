"""The rows of the tables of results, layers and curves, made from trained arms."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import torch

from lth.core.tables import Row
from lth.core.weights import Mask, on_cpu
from lth.data.tensors import Data, Split
from lth.lottery.arms import Outcome
from lth.pruning.mask import density as density_of
from lth.pruning.mask import kept
from lth.pruning.parameters import parameter_density
from lth.report.correct import KEY, encoded
from lth.report.tables import CURVES, LAYERS, RESULTS
from lth.training.records import CORRECT as CORRECT_STATES
from lth.training.run_result import RunResult

SHORT = 10
"""The hexadecimal digits of a hash in a column."""


def ends(values: Sequence[float | None], done: bool) -> tuple[float | None, float | None]:
    """The first value and, of a training that did not diverge, the last."""
    return (values[0] if values else None), (values[-1] if values and done else None)


def result_row(outcome: Outcome, about: Mapping[str, Any]) -> Row:
    """The row of `results.csv` for one trained arm; `about` gives the columns that name the experiment."""
    result, spec = outcome.result, outcome.spec
    done = result.status == "done"
    mask = result.mask(spec.mask)
    density = outcome.level.density if mask is spec.mask else density_of(mask)  # a mask that changed has its own
    row = RESULTS.row(
        {"experiment": "imp"} | dict(about) | seeds_of(outcome) | machine_of(result),
        level=outcome.level.index,
        arm=outcome.arm,
        draw=outcome.draw,
        status=result.status,
        density=density,
        sparsity=1 - density,
        weights_left=sum(kept(mask).values()),
        rewind=spec.plan.start,
        iterations=result.stop,
        seconds=round(result.seconds, 3),
        run=result.run,
        test_examples=len(spec.data.test),
        chance=chance(spec.data.test),
        parameter_density=parameter_density(spec.model, mask, outcome.level.spec.model),
        kernels=_products(result.kernels, mask),
    )
    row[KEY] = {
        kind: encoded(bits.numpy().tobytes()) for kind, bits in on_cpu(result.states.get(CORRECT_STATES, {})).items()
    }
    for column, series in result.series.items():
        row[f"{column}_init"], row[f"{column}_end"] = ends([value for _, value in series.values], done)
    return row | metric_cells(result)


def metric_cells(result: RunResult) -> Row:
    """The cells that hold what was measured of a training on each split, and those that say how it compares.

    A diverged training has no early stop and no end.
    """
    measures, done = result.measures, result.status == "done"
    early, final = (result.early_stop, result.points[-1]) if done and result.points else (None, None)
    stop = {"early_stop_iteration": early.iteration, "early_stop_censored": result.censored} if early else {}
    deciding = dict.fromkeys(["val_loss", measures.decide])
    names = [*deciding, *(metric.on("test") for metric in measures.metrics)]
    cells = {f"early_stop_{name}": getattr(early, name, None) for name in names}
    cells |= {f"final_{metric.on('train')}": result.train.get(metric.name) for metric in measures.metrics}
    cells |= {f"final_{name}": getattr(final, name, None) for name in names}
    return stop | cells | measures.cells()


def _products(kernels: Mapping[str, str], mask: Mask) -> str:
    """What the products of a training are called as a whole."""
    kinds = {kernels.get(name, "dense") for name in mask} or {"dense"}
    return kinds.pop() if len(kinds) == 1 else "mixed"


def seeds_of(outcome: Outcome) -> Row:
    """The columns of the seeds that a training was done by.

    A mask that changes by chance in training is drawn by its arm and draw; its seed is the replicate's.
    """
    seeds = replace(outcome.spec.seeds, mask=outcome.level.spec.seeds.mask)
    return {f"seed_{name}": seed for name, seed in asdict(seeds).items()}


def identity(data: Data, architecture: str) -> Row:
    """The columns that tell data and networks apart, short hashes of them."""
    return {"data_digest": data.digest[:SHORT], "architecture": architecture[:SHORT]}


def machine_of(result: RunResult) -> Row:
    """The columns of the machine that a training was done on; None where it is not known."""
    machine = result.machine
    processor = machine.get("processor") if machine.get("device") == "cpu" else machine.get("device")
    return {"torch": machine.get("torch"), "processor": processor, "threads": machine.get("threads")}


def chance(split: Split) -> float | None:
    """The share of `split` that its most frequent class has: what always predicting it gives; None without classes."""
    if split.task.targets != "classes" or not len(split):
        return None
    return int(torch.bincount(split.labels).max()) / len(split)


def layer_rows(outcome: Outcome) -> list[Row]:
    """The rows of `layers.csv` for one trained arm, a prunable layer each."""
    result = outcome.result
    mask = result.mask(outcome.spec.mask)
    rows = []
    for name, count in kept(mask).items():
        row = LAYERS.row(
            run=result.run,
            level=outcome.level.index,
            arm=outcome.arm,
            draw=outcome.draw,
            layer=name.removesuffix(".weight"),
            size=mask[name].numel(),
            kept=count,
            density=count / mask[name].numel(),
            kernels=result.kernels.get(name, "dense"),
        )
        for column, series in result.series.items():
            if series.name == "total":
                values = series.of_parameter(name)
                row[f"{column}_init"], row[f"{column}_end"] = ends(values, result.status == "done")
        rows.append(row)
    return rows


def curve_rows(result: RunResult) -> list[Row]:
    """The rows of `curves.csv` for one training, an iteration each; what was not measured there is None."""
    rows: dict[int, Row] = {
        point.iteration: {
            **dict.fromkeys(CURVES),
            **point.records(),
            "run": result.run,
        }
        for point in result.points
    }
    for column, series in result.series.items():
        for iteration, value in series.values:
            row = rows.setdefault(iteration, CURVES.row(run=result.run, iteration=iteration))
            row[column] = value
    return [rows[iteration] for iteration in sorted(rows)]
