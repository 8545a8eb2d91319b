"""Figure 5 of Frankle and Carbin 2019: the convolutional networks side by side, each its own question."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

from matplotlib.lines import Line2D

from lth.core.tables import Row
from lth.report.figures.axes import STYLES, ArmStyle, legend_above
from lth.report.figures.captions import about_panels, meanings, seeds_in, values
from lth.report.figures.drawing import Drawn, Sketch, drawing, write_sketch
from lth.report.gather import Gathered
from lth.report.intervals import Summarize, t_interval
from lth.report.papers.lines import EARLY, END, Line, Panels, draw_panels, handles, line_handle, lines_of

NETWORKS = {"conv2": ("#332288", "o"), "conv4": ("#009E73", "s"), "conv6": ("#E69F00", "^")}
"""Model -> its colour (from dark to light as it gets deeper, so that grey tells them apart) and its marker."""
DASHES: dict[str, Any] = {"ticket": "-", "reinit": (0, (3, 1.5))}
APART = 1.2  # points between the error bars of two lines at one density


@dataclass(frozen=True)
class Networks:
    """The networks of one experiment and data set that a figure shows, each with the rows of one setting.

    notes: which settings are not shown, and why, a sentence each.
    """

    rows: Mapping[str, list[Row]]
    notes: tuple[str, ...] = ()


def draw_networks(folder: Path, gathered: Gathered, bars: Summarize = t_interval) -> tuple[list[Drawn], list[str]]:
    """Draws Figure 5 into `folder` for each experiment and data set that has two of its networks, and what to note.

    Nothing is averaged across settings: each line is of one. bars: what the error bars show.
    """
    groups = networks(gathered)
    with drawing():
        sketches = [sketch for group in groups if (sketch := sketch_networks(group.rows, bars))]
        named = [replace(each, name=f"{each.name}{f'_{n}' if n > 1 else ''}") for n, each in enumerate(sketches, 1)]
        return [write_sketch(folder, sketch) for sketch in named], [note for group in groups for note in group.notes]


def networks(gathered: Gathered) -> list[Networks]:
    """What figures across networks show: a group for each experiment, data set and rewind point with two networks.

    Where one network has several settings, the figure shows the one that was trained longest, so that a trial run does
    not stand in its way. Two that train equally long, or a longest one with fewer seeds than another, leave a choice
    that no rule should make: the network is then left out.
    """
    found: dict[tuple[str, str, int], dict[str, list[list[Row]]]] = {}
    for rows in gathered.settings().values():
        first = rows[0]
        if first["model"] in NETWORKS and first["schedule"] != "one_shot":
            about = (first["experiment"], first["data"], max(row["rewind"] or 0 for row in rows))
            found.setdefault(about, {}).setdefault(first["model"], []).append(rows)
    groups = []
    for by_model in found.values():
        chosen = {model: choose(by_model[model]) for model in NETWORKS if model in by_model}
        if len(chosen) > 1:
            clear = {model: rows for model, rows in chosen.items() if rows}
            told = chosen if len(clear) > 1 else chosen.keys() - clear.keys()  # what no figure shows is not explained
            notes = (
                note for model in chosen if model in told for note in _notes(model, chosen[model], by_model[model])
            )
            groups.append(Networks(clear, tuple(notes)))
    return groups


def choose(settings: Sequence[list[Row]]) -> list[Row] | None:
    """Of one network's settings the one trained longest; None where another trains as long or has more seeds."""
    first, *others = sorted(settings, key=_iterations, reverse=True)
    rivals = [rows for rows in others if _iterations(rows) == _iterations(first) or _seeds(rows) > _seeds(first)]
    return None if rivals else first


def sketch_networks(networks: Mapping[str, list[Row]], bars: Summarize) -> Sketch | None:
    """Early stop, accuracy there and at the end, of tickets (solid) and reinit (dashed), a colour a network.

    None where fewer than two networks were pruned: for one there is Figure 4.
    """
    pruned = {model: rows for model, rows in networks.items() if any(row["level"] for row in rows)}
    lines = [
        Line(f"{model} {line.arm}", line.arm, ArmStyle(colour, marker, DASHES[line.arm], 1.2), line.rows, model)
        for arm in DASHES
        for model, (colour, marker) in NETWORKS.items()
        for line in lines_of(pruned.get(model, []), [arm])
    ]
    panels = draw_panels(lines, [*EARLY, *END], bars, APART)
    shown = {line.network: line.rows for line in panels.lines} if panels else {}
    if panels is None or len(shown) < 2:
        return None
    legend_above(panels.figure, _legend(panels))
    arms = "; ".join(
        f"{'solid' if arm == 'ticket' else 'dashed'}, {arm}: {text}" for arm, text in meanings(panels.lines).items()
    )
    caption = (
        "The paper's Figure 5: early-stop iteration, test accuracy there, and accuracy at the end of training, against"
        f" the share of prunable weights that are left. {arms[0].upper()}{arms[1:]}; thin lines: the dense networks. "
    )
    caption += "; ".join(_about(model, networks[model]) for model in shown)
    caption += f". {about_panels(panels, bars)}"
    title = f"{', '.join(list(shown)[:-1])} and {list(shown)[-1]} on {next(iter(shown.values()))[0]['data']}"
    return Sketch("frankle2019_fig5", title, caption, values(panels.lines, [*EARLY, *END], bars), panels.figure)


def _legend(panels: Panels) -> list[Line2D]:
    """Networks by colour and marker in the first row, below them arms by dashes; legends are filled by column."""
    grey = STYLES["dense"].colour
    above = [
        line_handle(model, ArmStyle(colour, marker, "-", 1.2))
        for model, (colour, marker) in NETWORKS.items()
        if any(line.network == model for line in panels.lines)
    ]
    arms = [arm for arm in DASHES if any(line.arm == arm for line in panels.lines)]
    named = [line_handle(arm, ArmStyle(grey, "", DASHES[arm], 1.2)) for arm in arms]
    below = handles(panels, [*named, line_handle("dense", replace(STYLES["dense"], marker=""))])
    empty = Line2D([], [], linestyle="", label=" ")
    return [handle for column in zip_longest(above, below, fillvalue=empty) for handle in column]


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
