"""The one page: one HTML file that opens offline, the answer first. A job, several seeds and a whole sweep share it."""

import platform
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import metadata
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from lth.core.files import write_text
from lth.core.reading import read_bytes
from lth.core.shown import shown
from lth.report.figures.axes import DPI
from lth.report.figures.drawing import Drawn
from lth.report.sheet import Cell, Sheet

TEMPLATE = "page.html.jinja"
PACKAGES = ("torch", "lth", "hydra-core", "wandb", "numpy")
SCREEN = 130  # CSS pixels an inch of figure: its 8 pt letters are then as large as the page's small print


@dataclass(frozen=True)
class Page:
    """What a page shows.

    answer: the answer, a sentence or paragraph each; figures: the main one first; sheets: tables, those that are folded
    at the end; facts: what was run, a line a fact; config: the whole configuration; work: what the command did; notes:
    what else is to be said; machine: facts about it.
    """

    title: str
    answer: Sequence[str]
    figures: Sequence[Drawn] = ()
    sheets: Sequence[Sheet] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    work: str = ""
    notes: Sequence[str] = ()
    machine: Mapping[str, str] = field(default_factory=dict)

    def write(self, path: Path) -> None:
        """Writes the page as the file `path`; it needs no other file and asks the network for nothing."""
        environment = Environment(
            loader=FileSystemLoader(Path(__file__).parent),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            finalize=printable,
        )
        environment.globals["starts"] = starts
        content = environment.get_template(TEMPLATE).render(
            title=self.title,
            answer=self.answer,
            figures=[(figure, *inline(figure.path)) for figure in self.figures],
            sheets=[plain(sheet) for sheet in self.sheets if sheet.page],
            facts=self.facts,
            config="\n".join(yaml_lines(self.config)),
            work=self.work,
            notes=self.notes,
            versions=versions() | dict(self.machine),
        )
        write_text(path, content)


def printable(value: Any) -> Any:
    """What a page shows of a value: of a text its control characters as escapes, line breaks as they are."""
    return shown(value, keep="\n") if isinstance(value, str) and not hasattr(value, "__html__") else value


def plain(sheet: Sheet) -> Sheet:
    """`sheet` with every cell a `Cell`."""
    cells = [[cell if isinstance(cell, Cell) else Cell(cell) for cell in row] for row in sheet.cells]
    return replace(sheet, cells=cells)


def starts(sheet: Sheet) -> set[int]:
    """The places of the columns that a group begins with."""
    places, place = set(), 0
    for title, span in sheet.groups:
        if title:
            places.add(place)
        place += span
    return places


def inline(path: Path) -> tuple[str, int, int]:
    """The PNG at `path` as a data address, and the width and height in CSS pixels that it is shown at."""
    content = read_bytes(path)
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
    return shown(value)


def versions() -> dict[str, str]:
    """The versions of Python and of the packages that numbers depend on."""
    installed = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            installed[name] = metadata.version(name)
        except metadata.PackageNotFoundError:  # used from its source folder
            installed[name] = "not installed"
    return installed
