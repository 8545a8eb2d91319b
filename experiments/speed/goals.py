"""The bounds that `lth speed` is to keep: what a change of the code must not lose."""

from collections.abc import Mapping
from dataclasses import dataclass

from .pair import OURS_BFLOAT16, OURS_COMPILED, OURS_PAIR
from .ways import DENSE, FLOOR, OURS, PEER

LADDER, LADDER_USUAL = "search: ours / ours_dense", "search: usual / ours"
EVALUATION, WORKERS = "evaluation in a search: ours", "two seeds at once / in turn"
CUSTOM_BARE, CUSTOM_DENSE = "custom loop: through lth / bare", "custom loop: through lth / ours_dense"
COMPILED = "kernels compiled or loaded"


@dataclass(frozen=True)
class Goal:
    """A bound of a ratio, or of another measure."""

    bound: float
    least: bool = False

    def kept(self, value: float) -> bool:
        """Whether `value` keeps the bound."""
        return value >= self.bound if self.least else value <= self.bound

    def __str__(self) -> str:
        return f"at {'least' if self.least else 'most'} {self.bound:g}"


def _of(
    network: str, above: str, below: str, bounds: Mapping[float, float], least: bool = False
) -> dict[tuple[str, float, str, str], Goal]:
    return {(network, density, above, below): Goal(bound, least) for density, bound in bounds.items()}


RATIO_GOALS = {
    **_of("lenet_300_100", OURS, DENSE, {0.135: 0.45, 0.07: 0.31, 0.036: 0.23, 0.019: 0.18}),
    **_of("lenet_300_100", PEER, OURS, {0.135: 2.5, 0.07: 3, 0.036: 3.5}, least=True),
    **_of("lenet_300_100", DENSE, FLOOR, {1.0: 1.5}),
    **_of("mlp_1024", OURS, DENSE, {0.135: 0.40, 0.07: 0.23, 0.036: 0.15}),
    **_of("resnet20", OURS, DENSE, {0.1: 0.6, 0.05: 0.4, 0.02: 0.25}),
}
"""(network, density, way above, way below) -> the bound of the ratio of their times."""
PAIR_GOALS = {OURS_PAIR: Goal(2, least=True), OURS_COMPILED: Goal(2, least=True), OURS_BFLOAT16: Goal(3, least=True)}
"""Way of ours on two cores -> how many times its time the faster usual way takes, at any density."""
GOALS = {
    CUSTOM_BARE: Goal(1.03),
    LADDER: Goal(0.45),
    LADDER_USUAL: Goal(15, least=True),
    EVALUATION: Goal(40),
    WORKERS: Goal(0.6),
}
"""Measure -> its bound."""
