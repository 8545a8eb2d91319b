"""How much of a layer can be pruned with the other layers dense: accuracy against its density (Li et al. 2017, Fig. 2).

The result can set the layer densities of a pruning: `Pruning(layer_densities=densities_of(sensitivity(...), 0.01))`. In
a search, `Pruning(layer_densities="sensitivity")` does that with the dense network, once it is trained.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from lth.analysis.agreement import holding
from lth.analysis.geometry import Tensors
from lth.core.errors import SettingError
from lth.core.rng import rng
from lth.core.tables import Row
from lth.data.tensors import Data
from lth.pruning.granularity import units_of
from lth.pruning.mask import Layer, dense, prunable
from lth.pruning.schedule import Pruning
from lth.pruning.scores.inputs import ScoreInputs
from lth.pruning.scores.weights import magnitude
from lth.pruning.select import selection_of
from lth.tasks.metrics import ACCURACY, Metric
from lth.training.evaluate import evaluate

log = logging.getLogger(__name__)

DENSITIES = (1.0, 0.8, 0.6, 0.4, 0.3, 0.2, 0.1, 0.05, 0.02, 0.01)


def sensitivity(
    model: nn.Module,
    state: Tensors,
    data: Data,
    densities: Sequence[float] = DENSITIES,
    split: str = "validation",
    granularity: str = "weight",
    layers: Sequence[Layer] | None = None,
) -> list[Row]:
    """Rows `layer, density, accuracy` of `state` with one layer at a time pruned by magnitude and not trained again.

    In place of `accuracy` they have the first metric of a task that is no classification.

    density: kept / weights of the layer, as near to each of `densities` as whole units come (at least one is kept).
    accuracy: 0..1 on `split`, which is `validation` or `train`. granularity: as in `Pruning`. layers: None for all that
    are prunable. `model` gives the architecture, lies where `data` does, and is unchanged. Raises SettingError for
    another split, since densities may be chosen by the result and the test set must choose nothing, and for an empty
    one.
    """
    if split not in ("validation", "train") or not len(getattr(data, split)):
        problem = "must be train, or validation where there is such a split: the test set must not choose densities"
        raise SettingError("split", split, problem)
    for density in densities:
        if not 0 < density <= 1:
            raise SettingError("densities", density, "must lie above 0 and at most at 1")
    rows: list[Row] = []
    metric = data.task.measures.primary
    for layer in prunable(model) if layers is None else layers:
        selection, full = selection_of(Pruning(granularity=granularity), [layer]), dense([layer])
        scores = magnitude(ScoreInputs({layer.name: state[layer.name].detach().cpu()}, full, rng(0)))
        for density in densities:
            mask = selection.choose(scores, full, {layer.name: max(1, round(density * units_of(layer, granularity)))})
            with holding(model, state, mask):
                value = evaluate(model, getattr(data, split)).value(metric.name)
            kept = int(mask[layer.name].sum()) / layer.size
            rows.append({"layer": layer.name, "density": kept, metric.name: value})
    return rows


def measured_densities(
    model: nn.Module, data: Data, layers: Sequence[Layer], tolerance: float, granularity: str, state: Tensors
) -> dict[str, float]:
    """The densities of `layers` by the sensitivity of the network at `state`, on validation, else on train."""
    split = split_of(data)
    metric = data.task.measures.primary
    rows = sensitivity(model, state, data, DENSITIES, split, granularity, layers)
    densities = densities_of(rows, tolerance, metric)
    listed = ", ".join(f"{name} {100 * density:.3g}%" for name, density in densities.items())
    within = f"{split} {metric.words} within {100 * tolerance:.3g}{' points' if metric.is_share else '%'}"
    log.info("layer densities by sensitivity (%s): %s", within, listed)
    return densities


def split_of(data: Data) -> str:
    """The split that chooses densities: `validation` where there is one, else `train`."""
    return "validation" if len(data.validation) else "train"


def densities_of(rows: Sequence[Mapping[str, Any]], tolerance: float, metric: Metric = ACCURACY) -> dict[str, float]:
    """The lowest density of each layer down to which accuracy stays within `tolerance` (0..1) of the dense network's.

    metric: the one that rows have in place of accuracy; where it is no share, `tolerance` is relative to dense's value.

    `Pruning(layer_densities=...)` takes them as proportions. Raises SettingError where the rows of a layer lack the
    dense network (density 1).

    >>> rows = [{"layer": "fc1", "density": x, "accuracy": y} for x, y in ((1.0, 0.9), (0.5, 0.895), (0.1, 0.6))]
    >>> densities_of(rows, tolerance=0.01)
    {'fc1': 0.5}
    """
    if not 0 <= tolerance < 1:
        raise SettingError("tolerance", tolerance, "must be at least 0 and below 1, in accuracy")
    densities: dict[str, float] = {}
    for name in dict.fromkeys(row["layer"] for row in rows):
        first, *sparser = sorted((row for row in rows if row["layer"] == name), key=lambda row: -row["density"])
        if first["density"] != 1:
            raise SettingError("densities", name, "must include 1, the dense network that accuracies are compared with")
        dense = metric.sign * first[metric.name]
        lowest = dense - tolerance * (1.0 if metric.is_share else abs(dense))
        for row in (first, *sparser):
            if metric.sign * row[metric.name] < lowest:
                break
            densities[name] = row["density"]
    return densities
