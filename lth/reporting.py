"""What `lth report` does: gathers the results of several seeds, writes tables, figures and pages, and prints them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from lth.core.errors import LotteryError
from lth.core.files import check_below
from lth.core.names import file_name
from lth.experiment import Experiment, declared
from lth.report.compared import measures_in
from lth.report.comparison import Comparison
from lth.report.correct import correct_rows
from lth.report.differences import difference_rows, difference_sheet, differences_table
from lth.report.export import BARS, write_tables
from lth.report.figures.drawing import Drawn, draw
from lth.report.gather import Gathered, gather, tables_of_jobs, unlike
from lth.report.headline import SCAN, counted, sentence, setting_title
from lth.report.page import Page
from lth.report.reading import MERGED
from lth.report.results import Results
from lth.report.searches import searches
from lth.report.sheet import Cell, Sheet
from lth.report.study import legend, networks_by_data, overview_sheet, studies, study_facts, study_sheets
from lth.report.summary import LOST, summary_rows, summary_sheet, summary_table
from lth.report.tables import CORRECT, RESULTS, with_observed
from lth.report.terminal import Terminal, say
from lth.report.wandb.publish import publish

OUTPUTS = Path("outputs")
FIGURES = "figures"


def report(
    places: Sequence[Path],
    bars: str = "t",
    to: Path | None = None,
    wandb: str = "disabled",
    criteria: Mapping[str, float] | None = None,
) -> Path:
    """Gathers the results in `places` (none: outputs), writes, draws and prints what they show; the folder written to.

    bars: what a summary's intervals are, `t` or `minmax`; verdicts always take 95% t intervals. to: where to write;
    else into the one place given where it is a sweep's folder, into `report` below it where it is not (beside it where
    it is a store), and into outputs/report for several places or none. wandb: the mode of the W&B runs that hold the
    verdicts. criteria: margins of verdicts that take the place of the jobs' own, by field of `Criteria`.
    """
    gathered = gather(places or [OUTPUTS], criteria or {})
    folder = target(places, gathered) if to is None else to
    if (folder / "results.csv").exists() and not (folder / MERGED).exists():
        raise LotteryError(f"{folder}: holds a results.csv that no report has written; name another folder with --to")
    check_links(folder, study_names(gathered), folder if to is not None or folder in places else folder.parent)
    sheets = write_summaries(folder, gathered, bars)
    known = declared({row["experiment"] for row in gathered.rows})
    comparisons = [
        comparison for experiment in known.values() for comparison in experiment.compare(gathered, BARS[bars])
    ]
    drawn = write_comparisons(folder, comparisons)
    homes = write_pages(folder, gathered, bars, known, comparisons, drawn)
    show(gathered, sheets, folder, comparisons)
    if wandb != "disabled":
        says = {setting: sentence(rows, gathered.criteria) for setting, rows in gathered.settings().items()}
        for line in publish(wandb, gathered, homes, says, bars):
            say(Terminal(), line, whole=True)
    return folder


def check_links(folder: Path, names: Sequence[str], within: Path) -> None:
    """Raises LotteryError where a link in the report's `folder`, or in that of a study, leads out of `within`.

    Someone else's folder may hold such links; what is written to it then would take the place of files elsewhere.
    """
    homes = [folder, *(folder / name for name in names)]
    for path in (*homes, *(home / FIGURES for home in homes), *(folder / FIGURES).glob("*/")):
        check_below(path, within, "name a folder with --to")


def study_names(gathered: Gathered) -> list[str]:
    """The names of the folders of each study, in order."""
    return [file_name(study.rows[0]["setting"], taken=[FIGURES]) for study in studies(gathered)]


def target(places: Sequence[Path], gathered: Gathered) -> Path:
    """Where a report is written that was not told where."""
    if len(places) != 1:
        return OUTPUTS / "report"
    place = places[0].parent if places[0].is_file() else places[0]
    if place in gathered.folders and not (place / "results.csv").exists():  # a store
        return place.resolve().parent / "report"
    swept = {folder.resolve().parent for folder in gathered.folders} == {place.resolve()}
    return place if swept else place / "report"


def write_summaries(folder: Path, gathered: Gathered, bars: str) -> list[Sheet]:
    """Writes the merged results, the summary and the differences into `folder`; the summary of each setting.

    The summary comes first: where it lies, the results.csv beside it is known to be merged.
    """
    costs = searches(gathered.folders)
    tables = [
        (
            setting_title(rows),
            summary_rows(rows, bars, costs, gathered.criteria),
            difference_rows(rows, gathered.criteria),
        )
        for rows in gathered.settings().values()
    ]
    sheets = [summary_sheet(title, summary) for title, summary, _ in tables]
    summaries = [row for _, summary, _ in tables for row in summary]
    write_tables(folder, summary_table(summaries), summaries, sheets)
    differences = [row for *_, rows in tables for row in rows]
    write_tables(
        folder,
        differences_table(differences),
        differences,
        [difference_sheet(title, rows) for title, _, rows in tables if rows],
    )
    with_observed(RESULTS, gathered.rows).write(folder, gathered.rows)
    if correct := correct_rows(gathered.rows):
        CORRECT.write(folder, correct)
    return sheets


def write_comparisons(folder: Path, comparisons: Sequence[Comparison]) -> list[Drawn]:
    """Writes the tables and figures of `comparisons`: a table for all of one name; the figures that were drawn."""
    by_name: dict[str, list[Comparison]] = {}
    for comparison in comparisons:
        by_name.setdefault(comparison.name, []).append(comparison)
    drawn: list[Drawn] = []
    for name, together in by_name.items():
        rows = [row for comparison in together for row in comparison.rows]
        table, sheets = together[0].table, [comparison.sheet for comparison in together if comparison.sheet]
        if table is not None and rows:
            write_tables(folder, replace(table, name=name), rows, sheets)
        number = 0
        for comparison in together:
            if comparison.results is not None:
                number += 1
                place = folder / FIGURES if number == 1 else folder / FIGURES / f"{name}_{number}"
                drawn += [
                    figure.titled(comparison.about) for figure in draw(comparison.figures, comparison.results, place)
                ]
    return drawn


def write_pages(
    folder: Path,
    gathered: Gathered,
    bars: str,
    known: Mapping[str, Experiment],
    comparisons: Sequence[Comparison],
    drawn: Sequence[Drawn],
) -> dict[str, Path]:
    """Draws the figures of each study and writes its page; setting -> the folder of its study.

    Where there are several studies each has a folder, and a page above them links theirs and shows the comparisons.
    """
    each = studies(gathered)
    names = study_names(gathered)
    homes: dict[str, Path] = {}
    for name, study in zip(names, each, strict=True):
        place = folder / name if len(each) > 1 else folder
        homes |= dict.fromkeys(study.settings(), place)
        alone = comparisons if len(each) == 1 else ()
        write_study(place, study, bars, known.get(study.rows[0]["experiment"]), alone)
    if len(each) > 1:
        pages = {f"{name}/report.html": study for name, study in zip(names, each, strict=True)}
        sheets = [comparison.sheet for comparison in comparisons if comparison.sheet]
        Page(
            f"{counted(len(each), 'study').replace('studys', 'studies')}: {networks_by_data(each)}",
            [
                *(line for comparison in comparisons for line in comparison.answer),
                *(sentence(rows, gathered.criteria) for study in each for rows in study.settings().values()),
                SCAN,
            ],
            drawn,
            [*sheets, overview_sheet(pages)],
            notes=[note for comparison in comparisons for note in comparison.notes],
        ).write(folder / "report.html")
    return homes


def write_study(
    place: Path, study: Gathered, bars: str, experiment: Experiment | None, comparisons: Sequence[Comparison] = ()
) -> None:
    """Draws the figures of a study and writes its page into the folder `place`.

    comparisons: those that have no page above this one.
    """
    curves = [row for rows in study.curves.values() for row in rows]
    tables = {"results": study.rows, "curves": curves}
    if experiment is not None:
        tables |= tables_of_jobs(study, experiment.tables)
    results = Results(tables, bars=BARS[bars])
    figures = draw(experiment.seed_figures, results, place / FIGURES) if experiment else []
    first, seeds = study.rows[0], len({row["seed"] for row in study.rows})
    Page(
        f"{first['experiment']}: {first['model']} on {first['data']}, {counted(seeds, 'seed')}",
        [
            *(line for comparison in comparisons for line in comparison.answer),
            *(sentence(rows, study.criteria) for rows in study.settings().values()),
            SCAN,
        ],
        figures,
        [*(comparison.sheet for comparison in comparisons if comparison.sheet), *study_sheets(study, bars)],
        facts=study_facts(study.rows),
        notes=[line for rows in study.settings().values() for line in unlike(rows)],
    ).write(place / "report.html")


def show(gathered: Gathered, sheets: Sequence[Sheet], folder: Path, comparisons: Sequence[Comparison]) -> None:
    """Prints the summary and the sentence of each setting, notes, what was left out, and where everything lies.

    Of settings that are compared, the one table of the comparison stands for those of each.
    """
    console = Terminal()
    compared = {setting for comparison in comparisons for setting in comparison.settings}

    def say_if(line: str) -> None:
        if line:
            say(console, line)

    for comparison in comparisons:
        if comparison.sheet:
            comparison.sheet.print(console)
        for line in comparison.answer:
            say(console, line)
    shorts = set()  # what the terminal shows in place of longer cells: verdicts without reasons, stars
    for sheet, rows in zip(sheets, gathered.settings().values(), strict=True):
        if rows[0]["setting"] not in compared:
            sheet.print(console)
            shorts |= {cell.short for cells in sheet.cells for cell in cells if isinstance(cell, Cell) and cell.short}
        say_if(sentence(rows, gathered.criteria))
        for line in unlike(rows):
            say_if(line)
    meanings = legend(gathered.criteria, measures_in(gathered.rows))
    words = [word for word in meanings if any(word in short for short in shorts)]
    for word in words:
        say(console, f"{word}: {meanings[word]}.")
    say_if(LOST if any(short.endswith("*") for short in shorts) else "")
    for comparison in comparisons:
        for note in comparison.notes:
            say_if(note)
    say_if(SCAN if words else "")
    say_if(left_out(gathered))
    count = len(gathered.folders)
    where = f"The reasons for each verdict, all tables and figures: {folder}"
    say(console, f"Gathered from {counted(count, 'folder')}. {where}", whole=True)


def left_out(gathered: Gathered) -> str:
    """What was found more than once, in words; empty where nothing was."""
    if not gathered.repeats:
        return ""
    text = f"{gathered.repeats} rows were found more than once; the later file counts."
    changed = f" {gathered.changed} of them came from another training: other seeds.*, another machine or version."
    return text + (changed if gathered.changed else "")
