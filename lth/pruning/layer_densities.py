"""How layers share the weights that are left. Imports no torch: checked early."""

from collections.abc import Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING, Any

from lth.core.checked import value_of
from lth.core.errors import SettingError
from lth.core.setting import Marks

if TYPE_CHECKING:
    from lth.pruning.mask import Layer

KINDS = ("conv", "linear", "output", "embedding", "attention", "recurrent", "other")
MEASURED = "sensitivity"
DENSITIES = ("uniform", "erk", MEASURED)
"""`uniform`: each layer loses its own fraction; `erk`: `erdos_renyi_kernel`; `sensitivity`: as the sensitivity of the
trained dense network says (`lth.analysis.sensitivity`), measured in a search; or a density by kind or name pattern."""


def check_densities(densities: Any) -> None:
    """Raises SettingError for what is neither a known name nor a density by pattern."""
    if isinstance(densities, Mapping) and densities:
        for pattern, density in densities.items():
            key = f"pruning.layer_densities.{pattern}"
            if not isinstance(pattern, str):
                raise SettingError(key, density, "must belong to a name pattern or a kind of layer")
            value_of(float, Marks(above=0, high=1), key, density)
    elif not isinstance(densities, str) or densities not in DENSITIES:
        problem = f"must be {', '.join(DENSITIES)}, or a density for each layer such as {{conv*: 0.5, fc*: 0.1}}"
        raise SettingError("pruning.layer_densities", densities, problem)


def erdos_renyi_kernel(layers: Sequence["Layer"]) -> dict[str, float]:
    """Densities up to a factor: (inputs + outputs + kernel sides) / their product (Evci et al. 2020, section 3).

    Small layers keep more; for fully connected layers it is the Erdos-Renyi density of Mocanu et al. 2018.
    """
    return {layer.name: sum(layer.shape) / prod(layer.shape) for layer in layers}


def ratios_of(layers: Sequence["Layer"], densities: str | Mapping[str, float]) -> dict[str, float]:
    """The densities of `layers` up to a common factor; where they are given by pattern, a name pattern goes first.

    Raises SettingError for a pattern that matches nothing, for a layer without a density, and for densities that are
    still to be measured.
    """
    if densities == MEASURED:
        problem = "is measured in a search, on the trained dense network"
        raise SettingError("pruning.layer_densities", densities, problem)
    if not isinstance(densities, Mapping):
        return erdos_renyi_kernel(layers)
    names = ", ".join(layer.name for layer in layers)
    ratios, used = {}, set()
    for layer in layers:
        pattern = layer.key_in(densities)
        if pattern is None:
            problem = f"has none for {layer.name}; give it one or exclude it"
            raise SettingError("pruning.layer_densities", dict(densities), problem)
        ratios[layer.name] = densities[pattern]
        used.add(pattern)
    for pattern in densities:
        if pattern not in used:
            raise SettingError(f"pruning.layer_densities.{pattern}", densities[pattern], f"matches none of {names}")
    return ratios


def allocated(total: int, sizes: Mapping[str, int], ratios: Mapping[str, float]) -> dict[str, float]:
    """The density of each layer, in proportion to `ratios` and at most 1, with `total` weights in all.

    sizes: the weights of each layer. What a layer cannot take at density 1 goes to the others, again and again (Evci
    et al. 2020, appendix).

    >>> allocated(60, {"wide": 100, "narrow": 20}, {"wide": 1.0, "narrow": 4.0})
    {'wide': 0.4, 'narrow': 1.0}
    """
    dense: set[str] = set()
    while True:
        left = total - sum(sizes[name] for name in dense)
        weighed = sum(ratios[name] * size for name, size in sizes.items() if name not in dense)
        scale = left / weighed if weighed else 0.0
        above = {name for name in sizes if name not in dense and scale * ratios[name] > 1}
        if not above:
            return {name: 1.0 if name in dense else scale * ratios[name] for name in sizes}
        dense |= above
