"""The page: everything that one replicate shows in one HTML file that opens offline, the answer first."""

import platform
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from lth.core.files import write_text
from lth.core.machine import describe, pick
from lth.core.tables import Row
from lth.report.figures.axes import DPI
from lth.report.figures.drawing import Drawn
from lth.report.statistics import STOP, accuracy_column, densities, over_draws, percent

TEMPLATES = Path(__file__).parent
PACKAGES = ("torch", "lth", "hydra-core", "wandb", "numpy")
NONE = "\N{EN DASH}"  # a cell of what was not run or measured
SCREEN = 130  # CSS pixels an inch of figure: its 8 pt letters are then as large as the page's small print


def render(template: str, **values: Any) -> str:
    """The text of a page: the template of that name, which lies beside this module, filled with `values`."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(**values)


def write_job_page(
    path: Path,
    template: str,
    first: Row,
    figures: Sequence[Drawn],
    config: Mapping[str, Any],
    device: str | None = None,
    **values: Any,
) -> None:
    """Writes the page of a job's one table, by `template`, as the file `path`; it needs no other file.

    first: a row of `results.csv`; config: the whole configuration; device: that the numbers come from, where it is not
    the one that is configured; values: what else the template shows.
    """
    machine = describe(pick(device or str(config.get("device", "cpu"))))
    content = render(
        template,
        title=f"{first['experiment']}: {first['model']} on {first['data']}, seed {first['seed']}",
        figures=[(figure, *inline(figure.path)) for figure in figures],
        config="\n".join(yaml_lines(config)),
        versions=versions() | {name: str(text) for name, text in machine.items()},
        **values,
    )
    write_text(path, content)


def facts(results: Sequence[Row], config: Mapping[str, Any]) -> dict[str, str]:
    """What was asked, in a line a fact, for the head of the page."""
    first, levels = results[0], densities(results)
    last = max(levels)
    draws = 1 + max(row["draw"] for row in results)
    return {
        "data": str(first["data"]),
        "network": f"{first['model']}, {first['weights_left']:,} prunable weights",
        "levels": f"0 to {last}, {percent(levels[last])}% of the weights left at the last" if last else "0, dense",
        "training": f"iterations {first['rewind']:,} to {first['iterations']:,} at every level",
        "seed": f"{first['seed']}" + (f", {draws} draws of each random control" if draws > 1 else ""),
        "setting": f"{first['setting']}, the same for every seed of this question",
    }


def level_cells(results: Sequence[Row], level: int, arms: Sequence[str]) -> dict[str, Any]:
    """One row of the table: the level, what is left, and for each arm its accuracy and its early stop as text."""
    rows = [row for row in results if row["level"] == level]
    column = accuracy_column(results)
    cells = [accuracy_cell([row for row in rows if row["arm"] == arm], column) for arm in arms]
    found = [mean for mean, _, _ in cells if mean is not None]
    density = rows[0]["density"]
    return {
        "level": level,
        "density": percent(density),
        "sparsity": f"{100 * rows[0]['sparsity']:.1f}",
        "left": f"{rows[0]['weights_left']:,}",
        "accuracies": [(text, note, len(found) > 1 and mean == max(found)) for mean, text, note in cells],
        "stops": [stop_cell([row for row in rows if row["arm"] == arm]) for arm in arms],
    }


def accuracy_cell(draws: Sequence[Row], column: str) -> tuple[float | None, str, str]:
    """The mean accuracy in % of the draws that have one, as number and text, and a note: range, what diverged."""
    seen = over_draws(draws, column, 100)
    lost = sum(row["status"] == "diverged" for row in draws)
    if seen is None:
        return None, "diverged" if lost else NONE, ""
    notes = [f"{seen.low:.2f} to {seen.high:.2f}"] if seen.count > 1 else []
    if lost:
        notes.append(f"{lost} of {len(draws)} diverged")
    return seen.mean, f"{seen.mean:.2f}", ", ".join(notes)


def stop_cell(draws: Sequence[Row]) -> str:
    """The mean early-stop iteration as text, with ≥ where that of a draw is censored."""
    seen = over_draws(draws, STOP)
    return NONE if seen is None else f"{'≥ ' if seen.censored else ''}{seen.mean:,.0f}"


def inline(path: Path) -> tuple[str, int, int]:
    """The PNG at `path` as a data address, and the width and height in CSS pixels that it is shown at."""
    content = path.read_bytes()
    width, height = (int.from_bytes(content[at : at + 4], "big") for at in (16, 20))  # the PNG's header
    return "data:image/png;base64," + b64encode(content).decode(), width * SCREEN // DPI, height * SCREEN // DPI


def yaml_lines(config: Mapping[str, Any], indent: str = "") -> Iterator[str]:
    """`config` as lines of YAML, to be read by people: nested mappings are indented."""
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            yield f"{indent}{key}:"
            yield from yaml_lines(value, indent + "  ")
        else:
            yield f"{indent}{key}: {yaml_value(value)}"


def yaml_value(value: Any) -> str:
    """A single value, or a list in brackets, as YAML writes it."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(yaml_value(item) for item in value)}]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value)


def versions() -> dict[str, str]:
    """The versions of Python and of the packages that numbers depend on."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:  # used from its source folder
            found[name] = "not installed"
    return found


def work(results: Sequence[Row], seconds: float, trained: int) -> str:
    """What this command did, in words."""
    kept = max(0, len({row["run"] for row in results}) - trained)
    return f"{trained} trained in this command, {kept} found in the store, {seconds:.0f} s."
