"""How a whole density is shared out among layers. Imports no torch: checked early."""

from collections.abc import Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING, Any

from lth.core.errors import SettingError

if TYPE_CHECKING:
    from lth.pruning.mask import Layer

KINDS = ("conv", "linear", "output")
MEASURED = "sensitivity"
DENSITIES = ("uniform", "erk", MEASURED)
"""`uniform`: each layer loses its own fraction; `erk`: `erdos_renyi_kernel`; `sensitivity`: what the trained dense
network tells (`lth.analysis.sensitivity`), put in its place by a search; or a density by kind or name pattern."""


def check_densities(asked: Any) -> None:
    """Raises SettingError for what is neither a known name nor a density by pattern."""
    if isinstance(asked, Mapping) and asked:
        for pattern, density in asked.items():
            if not (isinstance(density, (int, float)) and 0 < density <= 1):
                raise SettingError(f"pruning.layer_densities.{pattern}", density, "must lie above 0 and at most at 1")
    elif asked not in DENSITIES:
        problem = f"must be {', '.join(DENSITIES)}, or a density for each layer such as {{conv*: 0.5, fc*: 0.1}}"
        raise SettingError("pruning.layer_densities", asked, problem)


def erdos_renyi_kernel(layers: Sequence["Layer"]) -> dict[str, float]:
    """Densities in proportion: (inputs + outputs + kernel sides) / their product (Evci et al. 2020, section 3).

    Small layers keep more; in a fully connected layer it is the Erdos-Renyi density of Mocanu et al. 2018.
    """
    return {layer.name: sum(layer.shape) / prod(layer.shape) for layer in layers}


def ratios_of(layers: Sequence["Layer"], asked: str | Mapping[str, float]) -> dict[str, float]:
    """The densities of `layers` in proportion; of a density by pattern, a name pattern before a kind.

    Raises SettingError for a pattern that matches nothing, for a layer without one, and for what is to be measured.
    """
    if asked == MEASURED:
        problem = "is measured in a search, on the trained dense network; here give densities_of(sensitivity(...))"
        raise SettingError("pruning.layer_densities", asked, problem)
    if not isinstance(asked, Mapping):
        return erdos_renyi_kernel(layers)
    names = ", ".join(layer.name for layer in layers)
    found, used = {}, set()
    for layer in layers:
        pattern = layer.key_in(asked)
        if pattern is None:
            raise SettingError(
                "pruning.layer_densities", dict(asked), f"has none for {layer.name}; give it one or exclude it"
            )
        found[layer.name] = asked[pattern]
        used.add(pattern)
    for pattern in asked:
        if pattern not in used:
            raise SettingError(f"pruning.layer_densities.{pattern}", asked[pattern], f"is that of none of {names}")
    return found


def allocated(total: int, sizes: Mapping[str, int], ratios: Mapping[str, float]) -> dict[str, float]:
    """The density of each layer, in proportion to `ratios` and at most 1, with `total` weights together.

    What a layer cannot take at density 1 goes to the others, again and again (Evci et al. 2020, appendix).
    """
    whole: set[str] = set()
    while True:
        left = total - sum(sizes[name] for name in whole)
        weighed = sum(ratios[name] * size for name, size in sizes.items() if name not in whole)
        scale = left / weighed if weighed else 0.0
        over = {name for name in sizes if name not in whole and scale * ratios[name] > 1}
        if not over:
            return {name: 1.0 if name in whole else scale * ratios[name] for name in sizes}
        whole |= over
