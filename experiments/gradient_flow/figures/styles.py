"""The colours, markers and names of arms and initialisers in the figures of Evci et al. 2022."""

from matplotlib.lines import Line2D

from lth.lottery.names import meaning
from lth.report.figures.axes import ArmStyle, arm_style

from ..arms import INITS, MEANINGS

STYLES = {
    "pruned": ArmStyle("#333333", "X", "-"),
    "pruned_other_seeds": ArmStyle("#333333", "p", (0, (3, 1))),
    "reinit_one_init": ArmStyle("#F0A070", "s", (0, (2, 2))),
    "reinit_other_inits": ArmStyle("#E69F00", "s", (0, (1, 1))),
    "reinit_plus_glorot": ArmStyle("#CC79A7", "D", (0, (3, 1.5))),
    "dense": ArmStyle("#D55E00", "s", (0, (4, 1.5))),
    "layer_scaled": ArmStyle("#009E73", "^", (0, (5, 1.5, 1, 1.5))),
    "sparsity_aware": ArmStyle("#0072B2", "o", "-"),
    "sparsity_aware_glorot": ArmStyle("#CC79A7", "D", (0, (3, 1.5))),
}
ONE_MASK = "The runs share one mask, so bars and bands do not cover other masks. "


def style_of(name: str) -> ArmStyle:
    """The style of an arm or an initialiser."""
    return STYLES.get(name) or arm_style(name)


def paper_name(arm: str) -> str:
    """The name of `arm` in the paper's table, where it has a row there; else `arm`."""
    return next((init for init, row_arm in INITS.items() if row_arm == arm), arm)


def about(arm: str) -> str:
    """The meaning of `arm`, in words."""
    return (MEANINGS.get(arm) or meaning(arm)).replace("level's mask", "pruned solution's mask")


def handle(name: str, label: str, marker: bool = True) -> Line2D:
    """The legend's entry for `name`."""
    style = style_of(name)
    shown = style.marker if marker else ""
    return Line2D([], [], color=style.colour, marker=shown, linestyle=style.dashes, linewidth=style.width, label=label)
