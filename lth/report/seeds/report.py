"""`lth report`: what several seeds show together, as tables, figures, verdicts and a sentence for each setting."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lth.core.errors import LotteryError
from lth.core.files import write_csv
from lth.core.tables import Row
from lth.report.comparison import NARROW, Across
from lth.report.export import (
    BARS,
    DIFFERENCES,
    SUMMARY,
    Sheet,
    difference_rows,
    difference_sheet,
    summary_rows,
    summary_sheet,
    write_tables,
)
from lth.report.gather import Gathered, gather, pairs_by_schedule
from lth.report.pages.overview import write_overview
from lth.report.pages.seeds import write_sweep_page
from lth.report.papers.frankle2019 import draw_sweep
from lth.report.papers.networks import draw_networks
from lth.report.reading import MERGED
from lth.report.seeds.methods import searches, write_methods
from lth.report.seeds.worth import write_worth
from lth.report.statistics import percent
from lth.report.tables import RESULTS
from lth.report.verdict import SEEDS, verdicts
from lth.report.wandb.publish import publish

OUTPUTS = Path("outputs")
WIDE = 130
"""Columns of a terminal on which intervals need not be broken: the verdicts are, instead."""
SCAN = "Each density is judged for itself: the scan over densities for the smallest one is not corrected."


def report(places: Sequence[Path], bars: str = "t", to: Path | None = None, wandb: str = "disabled") -> Path:
    """Gathers the results in `places` (none: outputs), writes, draws and prints what they show; the folder written to.

    bars: what a summary's intervals are, `t` or `minmax`; verdicts always take 95% t intervals. to: where to write;
    else into the one place given where it is a sweep's folder, into `report` below it where it is not (beside it where
    it is a store), and into outputs/report for several places or none. wandb: the mode of the W&B runs that hold the
    verdicts.
    """
    gathered = gather(places or [OUTPUTS])
    folder = target(places, gathered) if to is None else to
    if (folder / "results.csv").exists() and not (folder / MERGED).exists():
        raise LotteryError(f"{folder}: holds a results.csv that no report has written; name another folder with --to")
    sheets = write_sweep(folder, gathered, bars)
    across = Across()
    write_methods(folder, gathered, BARS[bars], across)
    write_worth(folder, gathered, BARS[bars], across)
    notes = show_questions(folder, gathered, bars, across)
    show(gathered, sheets, folder, across, notes)
    if wandb != "disabled":
        says = {setting: sentence(rows) for setting, rows in gathered.settings().items()}
        for line in publish(wandb, gathered, homes(folder, gathered), says, bars):
            print(line)
    return folder


def target(places: Sequence[Path], gathered: Gathered) -> Path:
    """Where a report is written that was not told where."""
    if len(places) != 1:
        return OUTPUTS / "report"
    place = places[0].parent if places[0].is_file() else places[0]
    if place in gathered.folders and not (place / "results.csv").exists():  # a store
        return place.resolve().parent / "report"
    swept = {folder.resolve().parent for folder in gathered.folders} == {place.resolve()}
    return place if swept else place / "report"


def write_sweep(folder: Path, gathered: Gathered, bars: str) -> list[Sheet]:
    """Writes the merged results, the summary and the differences into `folder`; the summary of each setting.

    The summary comes first: where it lies, the results.csv beside it is known to be merged.
    """
    settings, taken = gathered.settings().values(), searches(gathered.folders)
    tables = [(title(rows), summary_rows(rows, bars, taken), difference_rows(rows)) for rows in settings]
    sheets = [summary_sheet(name, summary) for name, summary, _ in tables]
    write_tables(folder, "summary", SUMMARY, [row for _, summary, _ in tables for row in summary], sheets)
    rows = [row for *_, found in tables for row in found]
    compared = [difference_sheet(name, found) for name, _, found in tables if found]
    write_tables(folder, "differences", DIFFERENCES, rows, compared)
    write_csv(folder / "results.csv", RESULTS, gathered.rows)
    return sheets


def show_questions(folder: Path, gathered: Gathered, bars: str, across: Across) -> list[str]:
    """Draws the figures of each question and writes its page; what is to be said of figures across questions.

    Where there are several questions each has a folder, and a page above them links theirs and shows what can be drawn
    across them.
    """
    asked = questions(gathered)
    names = [str(question.rows[0]["setting"]) for question in asked]
    for name, question in zip(names, asked, strict=True):
        place = folder / name if len(asked) > 1 else folder
        figures = draw_sweep(place / "figures", question, BARS[bars])
        settings = list(question.settings().values())
        main = settings[0]
        compared = [(rows, found) for rows in settings if (found := difference_rows(rows))]
        write_sweep_page(
            place / "report.html",
            [*(sentence(rows) for rows in settings), SCAN],
            question.rows,
            figures,
            verdicts={level: verdict.words for level, verdict in verdicts(main).items()},
            sheets=[difference_sheet(title(rows), found) for rows, found in compared],
            bars=BARS[bars],
        )
    if len(asked) == 1:
        return []
    figures, notes = draw_networks(folder / "figures", gathered, BARS[bars])
    figures, notes = [*across.figures, *figures], [*notes, *across.notes]
    says = [*across.says, *(sentence(rows) for question in asked for rows in question.settings().values()), SCAN]
    pages = {f"{name}/report.html": question for name, question in zip(names, asked, strict=True)}
    write_overview(folder / "report.html", says, pages, figures, notes, across.sheets)
    return notes


def homes(folder: Path, gathered: Gathered) -> dict[str, Path]:
    """Setting -> the folder of its question, with its page and figures."""
    asked = questions(gathered)
    return {
        setting: folder / question.rows[0]["setting"] if len(asked) > 1 else folder
        for question in asked
        for setting in question.settings()
    }


def questions(gathered: Gathered) -> list[Gathered]:
    """The results of each question: a setting, together with its one-shot counterpart where there is one."""
    settings, counterparts = gathered.settings(), dict(pairs_by_schedule(gathered))
    with_others = set(counterparts.values())
    return [
        replace(gathered, rows=[*rows, *settings.get(counterparts.get(setting, ""), [])])
        for setting, rows in settings.items()
        if setting not in with_others
    ]


def title(rows: Sequence[Row]) -> str:
    """What a setting is called: its data, network and schedule, and the hash that tells it apart."""
    first = rows[0]
    return f"{first['data']}, {first['model']}, {first['schedule']} ({first['setting']})"


def sentence(rows: Sequence[Row]) -> str:
    """What the seeds of one setting show, in plain words."""
    seeds = len({row["seed"] for row in rows})
    count = f"{title(rows)}: {seeds} seed{'s' * (seeds != 1)}"
    if seeds < SEEDS:
        return f"{count}, no verdict: that takes {SEEDS}."
    judged = verdicts(rows).values()
    matching = [verdict.density for verdict in judged if verdict.matching]
    winning = [verdict.density for verdict in judged if verdict.decision == "winning"]
    parts = [
        f"the smallest density with a {word} ticket is {percent(min(found))}%"
        if found
        else f"at no density is the ticket found to be {word}"
        for word, found in (("matching", matching), ("winning", winning))
    ]
    return f"{count}; {'; '.join(parts)}."


def show(gathered: Gathered, sheets: Sequence[Sheet], folder: Path, across: Across, notes: Sequence[str] = ()) -> None:
    """Prints the summary and the sentence of each setting, `notes`, what was left out, and where everything lies.

    Of settings that are compared `across` methods, their one table stands for those of each.
    """
    console = Console()
    for sheet, says in zip(across.sheets, across.says, strict=True):
        heads = len(sheet.heads) if console.width >= WIDE else NARROW
        narrow = Sheet(sheet.title, sheet.heads[:heads], [cells[:heads] for cells in sheet.cells])
        console.print(tabled(narrow, wide=True))
        console.print(says, highlight=False, markup=False, soft_wrap=True)
    for sheet, rows in zip(sheets, gathered.settings().values(), strict=True):
        if rows[0]["setting"] not in across.settings:
            console.print(tabled(sheet, console.width >= WIDE))
        console.print(sentence(rows), highlight=False, markup=False, soft_wrap=True)
    count = len(gathered.folders)
    where = f"Gathered from {count} folder{'s' * (count != 1)}. Tables and figures are in {folder}"
    for line in (SCAN, *notes, left_out(gathered), where):
        if line:
            console.print(line, highlight=False, markup=False, soft_wrap=True)


def tabled(sheet: Sheet, wide: bool) -> Table:
    """`sheet` for the terminal; no cell is broken where it is `wide`."""
    table = Table(title=Text(sheet.title), title_justify="left", header_style="bold", box=SIMPLE_HEAD)
    table.pad_edge, table.collapse_padding = False, wide
    for head in sheet.heads:
        if head == "verdict":  # its words are not cut where the terminal is narrow
            table.add_column(head, min_width=len("undecided:"))
        else:
            table.add_column(head, justify="left" if head in ("arm", "method", "ticket") else "right", no_wrap=wide)
    for cells in sheet.cells:
        table.add_row(*map(Text, cells))  # plain text: brackets are no markup here
    return table


def left_out(gathered: Gathered) -> str:
    """What was found more than once, in words; empty where nothing was."""
    if not gathered.repeats:
        return ""
    text = f"{gathered.repeats} rows were found more than once; the later file counts."
    changed = f" {gathered.changed} of them came from another training: other seeds.*, another machine or version."
    return text + (changed if gathered.changed else "")
