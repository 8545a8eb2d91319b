"""Figure 5 of Frankle & Carbin 2019: the convolutional networks side by side, each with its own setting."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from matplotlib.lines import Line2D

from lth.core.tables import Row
from lth.lottery.iterate import way_of
from lth.report.comparison import Comparison
from lth.report.figures.axes import STYLES, ArmStyle
from lth.report.figures.captions import seeds_in
from lth.report.figures.lines import LineFigure
from lth.report.figures.series import (
    ACCURACY_EARLY,
    ACCURACY_END,
    EARLY_STOP,
    TRAIN_ACCURACY_END,
    Line,
    arm_meanings,
    dense_handle,
    line_handle,
)
from lth.report.gather import Gathered
from lth.report.intervals import Summarize
from lth.report.results import Results

NETWORKS = {"conv2": ("#332288", "o"), "conv4": ("#009E73", "s"), "conv6": ("#E69F00", "^")}
"""Model -> its colour (from dark to light as it gets deeper, so that grey tells them apart) and its marker."""
DASHES: dict[str, Any] = {"ticket": "-", "reinit": (0, (3, 1.5))}


def compare(gathered: Gathered, bars: Summarize) -> list[Comparison]:
    """A comparison for each experiment, data set and rewind point that has two of the networks."""
    return [
        Comparison(
            "networks",
            f"{' and '.join(', '.join(group.rows).rsplit(', ', 1))} on {group.data}",
            figures=(FIGURE_5,) if len(group.rows) > 1 else (),
            results=Results({"results": [row for rows in group.rows.values() for row in rows]}, bars=bars),
            notes=group.notes,
        )
        for group in networks(gathered)
    ]


@dataclass(frozen=True)
class Networks:
    """The networks of one experiment and data set that the figure shows, each with the rows of one setting.

    notes: which settings are not shown, and why, a sentence each.
    """

    data: str
    rows: Mapping[str, list[Row]]
    notes: tuple[str, ...] = ()


def networks(gathered: Gathered) -> list[Networks]:
    """What figures across networks show: a group for each experiment, data, rewind point and way with two networks.

    A network of which only the dense one was trained does not count. Where one network has several settings, the figure
    shows the one that was trained longest, so that a trial run does not stand in its way. Two that train equally long,
    or a longest one with fewer seeds than another, leave a choice that no rule should make: the network is then left
    out.
    """
    settings_by_model: dict[tuple[str, str, int, str], dict[str, list[list[Row]]]] = {}
    for rows in gathered.settings().values():
        first = rows[0]
        pruned = any(row["level"] for row in rows)
        if first["model"] in NETWORKS and first["schedule"] != "one_shot" and pruned:
            about = (first["experiment"], first["data"], max(row["rewind"] or 0 for row in rows), way_of(first))
            settings_by_model.setdefault(about, {}).setdefault(first["model"], []).append(rows)
    groups = []
    for (_, data, _, _), by_model in settings_by_model.items():
        chosen = {model: choose(by_model[model]) for model in NETWORKS if model in by_model}
        if len(chosen) > 1:
            clear = {model: rows for model, rows in chosen.items() if rows}
            told = chosen if len(clear) > 1 else chosen.keys() - clear.keys()  # what no figure shows is not explained
            notes = (
                note for model in chosen if model in told for note in _notes(model, chosen[model], by_model[model])
            )
            groups.append(Networks(str(data), clear, tuple(notes)))
    return groups


def choose(settings: Sequence[list[Row]]) -> list[Row] | None:
    """Of one network's settings the one trained longest; None where another trains as long or has more seeds."""
    first, *others = sorted(settings, key=_iterations, reverse=True)
    rivals = [rows for rows in others if _iterations(rows) == _iterations(first) or _seeds(rows) > _seeds(first)]
    return None if rivals else first


def network_lines(rows: Sequence[Row]) -> list[Line]:
    """Tickets (solid) and reinit (dashed), a colour a network."""
    return [
        Line(f"{model} {arm}", arm, ArmStyle(colour, marker, DASHES[arm], 1.2), mine, model)
        for arm in DASHES
        for model, (colour, marker) in NETWORKS.items()
        if (mine := [row for row in rows if (row["model"], row["arm"]) == (model, arm)])
    ]


def legend(lines: Sequence[Line]) -> list[Line2D]:
    """Networks by colour and marker in the first row, arms by dashes and dense below; legends are filled by column."""
    grey = STYLES["dense"].colour
    above = [
        line_handle(model, ArmStyle(colour, marker, "-", 1.2))
        for model, (colour, marker) in NETWORKS.items()
        if any(line.group == model for line in lines)
    ]
    arms = [arm for arm in DASHES if any(line.arm == arm for line in lines)]
    below = [*(line_handle(arm, ArmStyle(grey, "", DASHES[arm], 1.2)) for arm in arms), dense_handle()]
    empty = Line2D([], [], linestyle="", label=" ")
    return [handle for column in zip_longest(above, below, fillvalue=empty) for handle in column]


def networks_caption(results: Results) -> str:
    """Each network's setting, how long it was trained, and its seeds."""
    by_model: dict[str, list[Row]] = {}
    for row in results["results"]:
        by_model.setdefault(row["model"], []).append(row)
    return "; ".join(_about(model, rows) for model, rows in by_model.items()) + "."


FIGURE_5 = LineFigure(
    "frankle2019_fig5",
    "Networks side by side",
    "Figure 5 of Frankle & Carbin 2019: early-stop iteration, test accuracy there, and accuracy at the end of training"
    " against the percentage of prunable weights that are left; tickets are solid, reinit is dashed.",
    (EARLY_STOP, ACCURACY_EARLY, TRAIN_ACCURACY_END, ACCURACY_END),
    lines=network_lines,
    legend=arm_meanings,
    caption=networks_caption,
    handles=legend,
    apart=1.2,
    letters=True,
    least=2,
)


def _iterations(rows: Sequence[Row]) -> int:
    return max(row["iterations"] or 0 for row in rows)


def _seeds(rows: Sequence[Row]) -> int:
    return len({row["seed"] for row in rows})


def _about(model: str, rows: Sequence[Row]) -> str:
    """A network's setting, how long it was trained, and its seeds."""
    return f"{model} ({rows[0]['setting']}): {_iterations(rows):,} iterations, {seeds_in(rows)}"


def _notes(model: str, chosen: list[Row] | None, settings: Sequence[list[Row]]) -> Iterator[str]:
    """What is said of a network that has several settings."""
    if len(settings) > 1:
        told = ", ".join(
            f"{rows[0]['setting']} ({_iterations(rows):,} iterations, {_seeds(rows)} seed{'s' * (_seeds(rows) != 1)})"
            for rows in settings
        )
        if chosen:
            yield f"Of the settings of {model}, {told}, Figure 5 shows the one trained longest, {chosen[0]['setting']}."
        else:
            yield f"Figure 5 leaves {model} out: it has the settings {told}. Name the folder of one."
