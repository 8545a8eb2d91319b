"""What a W&B dashboard shows: panels of the keys that runs log, from declarations. Imports neither W&B nor torch."""

from collections.abc import Sequence
from dataclasses import dataclass

DENSITY = "density: weights left (log)"
ANY = "[^/]+(/[^/]+)?"
"""Any series, as a regular expression: `ticket`, or a method with its arm; not the means of `lth report`."""


@dataclass(frozen=True)
class Plot:
    """Lines of the metrics `y`, or of those that the regular expression `matching` finds, against the metric `x`.

    seeds: whether the runs of a group become their mean and a band; else each run is a line.
    """

    title: str
    x: str
    y: tuple[str, ...] = ()
    matching: str = ""
    x_title: str = DENSITY
    log_x: bool = False
    log_y: bool = False
    seeds: bool = True


@dataclass(frozen=True)
class Curves:
    """Lines from the table `key` in the summaries of runs: `y` against `x`, a line for each value of `line`."""

    title: str
    key: str
    x: str
    y: str
    line: str


@dataclass(frozen=True)
class Pictures:
    """Images that runs have logged under `keys`."""

    title: str
    keys: tuple[str, ...]


@dataclass(frozen=True)
class Listed:
    """A table in the summaries of runs, under `key`."""

    key: str


Panel = Plot | Curves | Pictures | Listed


def panel_of(
    x: str,
    columns: Sequence[str],
    arms: Sequence[str] = (),
    log_x: bool = False,
    log_y: bool = False,
    title: str = "",
) -> Plot:
    """The panel of `columns` against `x`, a line for each column of each arm.

    x: `density` or `level`. arms: of which there are panels; none: of whatever runs have logged. title: the columns'
    names where it is empty.

    >>> panel_of("density", ["final_test_accuracy"], ["ticket", "reinit"]).y
    ('ticket/final_test_accuracy', 'reinit/final_test_accuracy')
    """
    names = ", ".join(columns)
    return Plot(
        title or names.replace("_", " "),
        x,
        tuple(f"{arm}/{column}" for column in columns for arm in arms),
        "" if arms else f"^{ANY}/({'|'.join(columns)})$",
        x_title=DENSITY if x == "density" else x,
        log_x=log_x,
        log_y=log_y,
    )


def layer_panel(column: str, log_y: bool = False, title: str = "") -> Plot:
    """The panel of a column of layers.csv against the level, a line for each layer of the ticket."""
    return Plot(title, "level", matching=f"^layer/.+/{column}$", x_title="level", log_y=log_y)


def training_panel(series: str, column: str, title: str) -> Curves:
    """The panel of a column of curves.csv in the training of one series, a line a level."""
    return Curves(f"{title}: {series}", f"training/{series}_table", "iteration", column, "line")
