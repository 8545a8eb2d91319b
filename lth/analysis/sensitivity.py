"""How much of each layer alone can go: accuracy against its density, the other layers whole (Li et al. 2017, Fig. 2).

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
from lth.data.tensors import Data
from lth.pruning.granularity import units_of
from lth.pruning.mask import Layer, dense, prunable
from lth.pruning.schedule import Pruning
from lth.pruning.scores.inputs import ScoreInputs
from lth.pruning.scores.weights import magnitude
from lth.pruning.select import selection_of
from lth.training.evaluate import evaluate

log = logging.getLogger(__name__)

Row = dict[str, Any]

DENSITIES = (1.0, 0.8, 0.6, 0.4, 0.3, 0.2, 0.1, 0.05, 0.02, 0.01)


def sensitivity(
    model: nn.Module,
    state: Tensors,
    data: Data,
    densities: Sequence[float] = DENSITIES,
    split: str = "validation",
    shape: str = "weight",
    layers: Sequence[Layer] | None = None,
) -> list[Row]:
    """Rows `layer, density, accuracy`: of `state` with one layer pruned by magnitude to that density, without training.

    density: kept / weights of the layer, as near to what is asked as its units come (at least one stays); accuracy:
    0..1 on `split`, `validation` or `train`. layers: None for all that are prunable. `model` gives the architecture,
    lies where `data` do, and is unchanged. Raises SettingError for another split: the test set chooses nothing.
    """
    if split not in ("validation", "train") or not len(getattr(data, split)):
        problem = (
            "must be train, or a validation split that there is: densities are chosen by it, never by the test set"
        )
        raise SettingError("split", split, problem)
    for density in densities:
        if not 0 < density <= 1:
            raise SettingError("densities", density, "must lie above 0 and at most at 1")
    rows = []
    for layer in prunable(model) if layers is None else layers:
        selection, whole = selection_of(Pruning(granularity=shape), [layer]), dense([layer])
        scores = magnitude(ScoreInputs({layer.name: state[layer.name].detach().cpu()}, whole, rng(0)))
        for density in densities:
            mask = selection.choose(scores, whole, {layer.name: max(1, round(density * units_of(layer, shape)))})
            with holding(model, state, mask):
                accuracy = evaluate(model, getattr(data, split)).accuracy
            left = int(mask[layer.name].sum()) / layer.size
            rows.append({"layer": layer.name, "density": left, "accuracy": accuracy})
    return rows


def measured(
    model: nn.Module, data: Data, layers: Sequence[Layer], tolerance: float, shape: str, state: Tensors
) -> dict[str, float]:
    """The densities of `layers` by the sensitivity of the network at `state`, on validation, else on train."""
    split = split_of(data)
    found = densities_of(sensitivity(model, state, data, DENSITIES, split, shape, layers), tolerance)
    told = ", ".join(f"{name} {100 * density:.3g}%" for name, density in found.items())
    log.info("densities in proportion to where %s accuracy stays within %.3g points: %s", split, 100 * tolerance, told)
    return found


def split_of(data: Data) -> str:
    """The split that chooses densities: `validation` where there is one, else `train`."""
    return "validation" if len(data.validation) else "train"


def densities_of(rows: Sequence[Mapping[str, Any]], tolerance: float) -> dict[str, float]:
    """The lowest density of each layer down to which accuracy stays within `tolerance` (0..1) of the whole network's.

    As `Pruning.densities` takes them: then layers share what stays in that proportion. Raises SettingError where the
    whole network (density 1) is not among the rows of a layer.
    """
    if not 0 <= tolerance < 1:
        raise SettingError("tolerance", tolerance, "must be at least 0 and below 1, in accuracy")
    found: dict[str, float] = {}
    for name in dict.fromkeys(row["layer"] for row in rows):
        mine = sorted((row for row in rows if row["layer"] == name), key=lambda row: -row["density"])
        if mine[0]["density"] != 1:
            raise SettingError("densities", name, "the whole network is needed to compare with: density 1 too")
        for row in mine:
            if row["accuracy"] < mine[0]["accuracy"] - tolerance:
                break
            found[name] = row["density"]
    return found
