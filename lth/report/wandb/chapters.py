"""The order of a W&B dashboard: what an experiment declares, as chapters of panels. Imports neither W&B nor torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from lth.report.compared import EARLY, FINAL, in_words
from lth.report.wandb.levels import RESULT_COLUMNS
from lth.report.wandb.panels import ANY, Listed, Panel, Pictures, Plot, layer_panel, panel_of, training_panel
from lth.tasks.metrics import ACCURACY, Measures, Metric


@dataclass(frozen=True)
class Chapter:
    """A section of the workspace, or a heading of the report with the panels below it."""

    name: str
    about: str
    panels: Sequence[Panel]


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
    those of one seed, seed_figures: those of `lth report`. metric: that networks are compared by, in place of accuracy.
    """

    arms: Sequence[str] = ()
    columns: Sequence[str] = RESULT_COLUMNS
    figures: Sequence[Figure] = ()
    seed_figures: Sequence[Figure] = ()
    metric: Metric = ACCURACY

    @property
    def words(self) -> str:
        """The metric in words."""
        return self.metric.words

    def about(self, text: str) -> str:
        """`text`, which was written for accuracy, about the metric."""
        return in_words(text, Measures("custom", (self.metric,)))


def chapters(contents: Contents) -> list[Chapter]:
    """The panels of an experiment, the metric of its arms first; a chapter without panels is left out."""
    arms = contents.arms
    layers = not arms or "ticket" in arms  # those of the ticket are charted
    return [
        chapter
        for chapter in (
            _compared(contents),
            _verdicts(contents),
            _gradient_norm(arms, layers),
            *(figure_chapter(figure, arms, contents.columns) for figure in contents.figures),
            _measurements(contents),
            _layers(layers),
            _training(contents),
            _figures(contents),
        )
        if chapter.panels
    ]


def _compared(contents: Contents) -> Chapter:
    columns = {
        f"{EARLY}_{contents.metric.name}": f"Test {contents.words} at early stopping",
        f"{FINAL}_{contents.metric.name}": f"Test {contents.words} at the end",
        "early_stop_iteration": "Early stopping iteration",
    }
    return Chapter(
        "Tickets and controls",
        f"A winning ticket reaches the dense network's {contents.words} as early as it does, and its controls do not.",
        [panel_of("density", [column], contents.arms, log_x=True, title=title) for column, title in columns.items()],
    )


def _verdicts(contents: Contents) -> Chapter:
    arms = contents.arms

    def against_density(title: str, y: tuple[str, ...], matching: str = "") -> Plot:
        return Plot(title, "density", y, matching, log_x=True, seeds=False)

    column = f"{EARLY}_{contents.metric.name}"
    means = tuple(f"report/{arm}/mean/{column}" for arm in arms)
    bounds = tuple(f"report/ticket/{bound}/{column}" for bound in ("mean", "low", "high"))
    panels: list[Panel] = [
        against_density("Verdict", ("report/verdict", "report/matching")),
        against_density(
            f"Mean test {contents.words} at early stopping", means, "" if arms else f"^report/{ANY}/mean/{column}$"
        ),
    ]
    panels += [against_density("The ticket's, with its interval", bounds)] if not arms or "ticket" in arms else []
    panels += [Listed("tables/summary"), *_pictures(contents, contents.seed_figures)]
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


def _measurements(contents: Contents) -> Chapter:
    """The charted columns of the experiment's own tables that no declared figure has."""
    drawn = {measure.column for figure in contents.figures for measure in getattr(figure, "measures", ())}
    columns = [column for column in contents.columns if column not in drawn and column not in RESULT_COLUMNS]
    panels = [panel_of("density", [column], contents.arms, log_x=True) for column in columns]
    return Chapter("Measurements", "Of the trained networks, where they were made.", panels)


def _layers(layers: bool) -> Chapter:
    panels = [layer_panel("density", log_y=True, title="Density by layer")] if layers else []
    return Chapter("Layers of the ticket", "How many of its weights each layer keeps.", panels)


def _training(contents: Contents) -> Chapter:
    arms, test = contents.arms, {f"test_{contents.metric.name}": f"Test {contents.words}"}
    columns = {"val_loss": "Validation loss", **test, "grad_norm": "Gradient norm"}
    panels = [training_panel(arm, column, title) for arm in arms[:1] for column, title in columns.items()]
    panels += [training_panel(arm, "val_loss", "Validation loss") for arm in arms[1:4]]  # the usual controls
    return Chapter("Training", "Some levels from dense to sparse, as in the figure of training curves.", panels)


def _figures(contents: Contents) -> Chapter:
    about = "As in each run's folder; hollow markers are early stops that may lie beyond the end of training."
    return Chapter("Figures", about, [*_pictures(contents, contents.figures), Listed("results")])


def _pictures(contents: Contents, figures: Sequence[Figure]) -> list[Pictures]:
    return [Pictures(contents.about(title_of(figure)), (f"figures/{figure.name}",)) for figure in figures]


def title_of(figure: Figure) -> str:
    """The title of a declared figure; its name where a function draws it."""
    return str(getattr(figure, "title", figure.name.replace("_", " ").capitalize()))
