"""What a W&B dashboard shows: panels of the keys that runs log, in the order in which one asks. Imports no W&B."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

EVERY = 3
"""Curves of every third level: those of each one would hide each other."""
MOST = 30
"""The last level that curves are shown of."""
DENSITY = "share of weights left (log)"


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
class Pictures:
    """Images that runs have logged under `keys`."""

    title: str
    keys: tuple[str, ...]


@dataclass(frozen=True)
class Listed:
    """A table that runs have logged under `key`."""

    key: str


Shown = Plot | Pictures | Listed


@dataclass(frozen=True)
class Chapter:
    """A section of the workspace, or a heading of the report with the panels below it."""

    name: str
    about: str
    panels: Sequence[Shown]


def chapters(arms: Sequence[str]) -> list[Chapter]:
    """What is shown, for the keys that `lth imp` logs of `arms` and that `lth report --wandb` logs of its verdicts."""

    def against_density(title: str, metric: str, **more: Any) -> Plot:
        return Plot(title, "density", tuple(f"{arm}/{metric}" for arm in arms), log_x=True, **more)

    levels = "|".join(f"{level:02}" for level in range(0, MOST + 1, EVERY))

    def curves(arm: str, level: str, metric: str, title: str, **more: Any) -> Plot:
        pattern = f"^curve/{arm}/level_({level})/{metric}$"
        return Plot(title, "iteration", matching=pattern, x_title="iteration", **more)

    def layers(title: str, metric: str, **more: Any) -> Plot:
        return Plot(title, "level", matching=f"^layer/.+/{metric}$", x_title="level", **more)

    means = tuple(f"report/{arm}/mean/early_stop_test_accuracy" for arm in arms)
    bounds = tuple(f"report/ticket/{bound}/early_stop_test_accuracy" for bound in ("mean", "low", "high"))
    return [
        Chapter(
            "Tickets and controls",
            "A winning ticket reaches the dense network's accuracy, as early as it does, where its controls do not.",
            (
                against_density("Test accuracy at early stop", "early_stop_test_accuracy"),
                against_density("Test accuracy at the end", "final_test_accuracy"),
                against_density("Early-stop iteration", "early_stop_iteration"),
            ),
        ),
        Chapter(
            "Verdicts over seeds",
            "From lth report --wandb. Verdict: 1 winning, 0 undecided, -1 not winning; matching likewise.",
            (
                Plot("Verdict", "density", ("report/verdict", "report/matching"), log_x=True, seeds=False),
                Plot("Mean test accuracy at early stop", "density", means, log_x=True, seeds=False),
                Plot("The ticket's, with its interval", "density", bounds, log_x=True, seeds=False),
                Listed("tables/summary"),
                Pictures("Accuracy and early stop, with intervals", ("figures/frankle2019_fig4",)),
            ),
        ),
        Chapter(
            "Gradient norm",
            "Of the training loss, before the first iteration and after the last.",
            (
                against_density("Gradient norm at the start", "grad_norm_init", log_y=True),
                against_density("Gradient norm at the end", "grad_norm_end", log_y=True),
                layers("Gradient norm at the start, by layer", "grad_norm", log_y=True),
            ),
        ),
        Chapter(
            "Layers of the ticket",
            "What each layer has lost, and what it keeps.",
            (layers("Sparsity by layer", "sparsity"), layers("Density by layer", "density", log_y=True)),
        ),
        Chapter(
            "Training of the ticket",
            "Every third level, from dense to sparse.",
            (
                curves("ticket", levels, "val_loss", "Validation loss", log_y=True),
                curves("ticket", levels, "test_accuracy", "Test accuracy"),
                curves("ticket", levels, "grad_norm", "Gradient norm", log_y=True),
            ),
        ),
        Chapter(
            "Training of ticket and controls",
            "The arms at one level together.",
            tuple(
                curves("[^/]+", f"{level:02}", "val_loss", f"Validation loss at level {level}", log_y=True)
                for level in (3, 6, 9, 12)
            ),
        ),
        Chapter(
            "Figures",
            "As in each run's folder; hollow markers are early stops that may lie beyond the end of training.",
            (
                Pictures("Accuracy and early stop", ("figures/accuracy",)),
                Pictures("Training", ("figures/curves",)),
                Pictures("Gradient norm", ("figures/gradient_norm",)),
                Pictures("Density by layer", ("figures/layers",)),
                Listed("results"),
            ),
        ),
    ]
