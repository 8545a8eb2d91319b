"""How the ways to train a sparse network look in the figures of Evci et al. 2022, and what they are called."""

from matplotlib.lines import Line2D

from lth.flow.runs import INITS, MEANINGS
from lth.lottery.arms import meaning
from lth.report.figures.axes import ArmStyle, arm_style

LOOKS = {
    "pruned": ArmStyle("#333333", "X", "-"),
    "pruned_other_seeds": ArmStyle("#333333", "p", (0, (3, 1))),
    "reinit_other_inits": ArmStyle("#E69F00", "s", (0, (1, 1))),
    "dense": ArmStyle("#D55E00", "s", (0, (4, 1.5))),
    "layer_scaled": ArmStyle("#009E73", "^", (0, (5, 1.5, 1, 1.5))),
    "sparsity_aware": ArmStyle("#0072B2", "o", "-"),
}
ORDER_ALONE = "Runs of one mask that differ in their data order alone: bars and bands say nothing of other masks. "


def look(name: str) -> ArmStyle:
    """How an arm or an initialiser looks in these figures."""
    return LOOKS.get(name) or arm_style(name)


def paper_name(arm: str) -> str:
    """`arm` as the paper calls it, where it is a row of its table."""
    return next((init for init, own in INITS.items() if own == arm), arm)


def about(arm: str) -> str:
    """What `arm` is, in words."""
    return (MEANINGS.get(arm) or meaning(arm)).replace("level's mask", "pruned solution's mask")


def handle(name: str, label: str, marker: bool = True) -> Line2D:
    """The legend's entry for `name`."""
    style = look(name)
    mark = style.marker if marker else ""
    return Line2D([], [], color=style.colour, marker=mark, linestyle=style.dashes, linewidth=style.width, label=label)
