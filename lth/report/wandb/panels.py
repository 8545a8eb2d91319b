"""What a W&B dashboard shows: panels of the keys that runs log, from declarations. Imports neither W&B nor torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from lth.report.wandb.levels import RESULT_COLUMNS

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


@dataclass(frozen=True)
class Chapter:
    """A section of the workspace, or a heading of the report with the panels below it."""

    name: str
    about: str
    panels: Sequence[Panel]


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


class Figure(Protocol):
    """A declared figure: its files have its name; one of lines against density has `measures`, a panel each."""

    @property
    def name(self) -> str:
        """The name of its files."""
        ...


@dataclass(frozen=True)
class Contents:
    """What the dashboard of an experiment is about.

    arms: the names of its series; none: whatever runs have logged. columns: those that are charted by level. figures:
    those of one seed, seed_figures: those of `lth report`.
    """

    arms: Sequence[str] = ()
    columns: Sequence[str] = RESULT_COLUMNS
    figures: Sequence[Figure] = ()
    seed_figures: Sequence[Figure] = ()


def chapters(contents: Contents) -> list[Chapter]:
    """The panels of an experiment, the accuracy of its arms first; a chapter without panels is left out."""
    arms = contents.arms
    layers = not arms or "ticket" in arms  # those of the ticket are charted
    return [
        chapter
        for chapter in (
            _accuracy(arms),
            _verdicts(arms, contents.seed_figures),
            _gradient_norm(arms, layers),
            *(figure_chapter(figure, arms, contents.columns) for figure in contents.figures),
            _layers(layers),
            _training(arms),
            _figures(contents.figures),
        )
        if chapter.panels
    ]


def _accuracy(arms: Sequence[str]) -> Chapter:
    columns = {
        "early_stop_test_accuracy": "Test accuracy at early stopping",
        "final_test_accuracy": "Test accuracy at the end",
        "early_stop_iteration": "Early stopping iteration",
    }
    return Chapter(
        "Tickets and controls",
        "A winning ticket reaches the dense network's accuracy, as early as it does, where its controls do not.",
        [panel_of("density", [column], arms, log_x=True, title=title) for column, title in columns.items()],
    )


def _verdicts(arms: Sequence[str], figures: Sequence[Figure]) -> Chapter:
    def against_density(title: str, y: tuple[str, ...], matching: str = "") -> Plot:
        return Plot(title, "density", y, matching, log_x=True, seeds=False)

    column = "early_stop_test_accuracy"
    means = tuple(f"report/{arm}/mean/{column}" for arm in arms)
    bounds = tuple(f"report/ticket/{bound}/{column}" for bound in ("mean", "low", "high"))
    panels: list[Panel] = [
        against_density("Verdict", ("report/verdict", "report/matching")),
        against_density("Mean test accuracy at early stopping", means, "" if arms else f"^report/{ANY}/mean/{column}$"),
    ]
    panels += [against_density("The ticket's, with its interval", bounds)] if not arms or "ticket" in arms else []
    panels += [Listed("tables/summary"), *_pictures(figures)]
    about = "From lth report --wandb. Verdict: 1 winning, 0 undecided, -1 not winning; matching likewise."
    return Chapter("Verdicts over seeds", about, panels)


def _gradient_norm(arms: Sequence[str], layers: bool) -> Chapter:
    panels = [
        panel_of("density", ["grad_norm_init"], arms, True, True, "Gradient norm before training"),
        panel_of("density", ["grad_norm_end"], arms, True, True, "Gradient norm after training"),
    ]
    if layers:
        panels.append(layer_panel("grad_norm", log_y=True, title="Gradient norm before training, by layer"))
    return Chapter("Gradient norm", "Of the training loss, before the first iteration and after the last.", panels)


def figure_chapter(figure: Figure, arms: Sequence[str], columns: Sequence[str]) -> Chapter:
    """A declared figure of lines against density as panels, one a measure: of those `columns` that no chapter has."""
    measures = [measure for measure in getattr(figure, "measures", ()) if measure.column in columns]
    panels = [
        panel_of("density", [measure.column], arms, log_x=True, log_y=measure.log, title=measure.title or measure.label)
        for measure in measures
        if measure.column not in RESULT_COLUMNS
    ]
    return Chapter(title_of(figure), str(getattr(figure, "about", "")), panels)


def _layers(layers: bool) -> Chapter:
    panels = [layer_panel("density", log_y=True, title="Density by layer")] if layers else []
    return Chapter("Layers of the ticket", "How many of its weights each layer keeps.", panels)


def _training(arms: Sequence[str]) -> Chapter:
    columns = {"val_loss": "Validation loss", "test_accuracy": "Test accuracy", "grad_norm": "Gradient norm"}
    panels = [training_panel(arm, column, title) for arm in arms[:1] for column, title in columns.items()]
    panels += [training_panel(arm, "val_loss", "Validation loss") for arm in arms[1:]]
    return Chapter("Training", "Some levels from dense to sparse, as in the figure of training curves.", panels)


def _figures(figures: Sequence[Figure]) -> Chapter:
    about = "As in each run's folder; hollow markers are early stops that may lie beyond the end of training."
    return Chapter("Figures", about, [*_pictures(figures), Listed("results")])


def _pictures(figures: Sequence[Figure]) -> list[Pictures]:
    return [Pictures(title_of(figure), (f"figures/{figure.name}",)) for figure in figures]


def title_of(figure: Figure) -> str:
    """The title of a declared figure; its name where a function draws it."""
    return str(getattr(figure, "title", figure.name.replace("_", " ").capitalize()))
