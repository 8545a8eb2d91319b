"""Rewind points side by side over several seeds: a table, figures, and a sentence for each network."""

from collections.abc import Sequence
from dataclasses import replace

from lth.analysis.line import STABLE
from lth.core.tables import Column, Row, Table
from lth.report.comparison import Comparison, bounds
from lth.report.export import interval_columns
from lth.report.failures import failures
from lth.report.gather import Gathered, tables_of_jobs
from lth.report.intervals import Summarize, t_interval
from lth.report.reading import config_of
from lth.report.results import Results

from .answer import matching_at, paragraphs, sheet
from .figures import FIGURES
from .networks import INSTABILITY, Network, judged, networks_of
from .tables import TABLES

EXPERIMENT = "stability"
MEASURED = {
    "test_instability": ("points", "of the instability of the test error"),
    "train_instability": ("points", "of the instability of the training error"),
    "test_instability_interpolated": ("points", "of that of the test error with BatchNorm's statistics interpolated"),
    "test_loss_barrier": ("nats", "of the barrier of the test loss"),
    "disagreement": ("0..1", "of the test examples that two children classify differently"),
    "distance": ("", "of the L2 distance of two children"),
    "distance_from_start": ("", "of their distance from the rewind point"),
}
"""The columns of stability.csv that are pooled over seeds."""
SUMMARY = Table(
    "stability",
    (
        Column("data", str, "", "the data set"),
        Column("model", str, "", "the network"),
        Column("total", int, "iterations", "the length of a training"),
        Column("setting", str, "", "the setting of the children's rows"),
        Column("rewind", int, "iterations", "the rewind point"),
        Column("level", int, "", "how often the network was pruned; 0 is dense", at_least=0),
        Column("density", float, "0..1", "kept / prunable weights"),
        Column("arm", str, "", "the ticket or a control"),
        Column("n", int, "", "the number of seeds with trainings of their own", at_least=0),
        Column("failed", int, "", "how many children failed; seeds with one that diverged are left out", at_least=0),
        *interval_columns(MEASURED),
        *interval_columns({"final_test_accuracy": ("0..1", "of the children's test accuracy at the end")}),
        Column("stable", str, "", "`stable`, `unstable` or `undecided`, by the interval of test_instability"),
        Column("matching", bool, "", "whether the ticket matches the dense network; empty where undecided"),
    ),
    key=("setting", "level", "arm"),
    meaning="A row for each network and rewind point, over seeds: means of what each seed's pairs give, and 95% t"
    " intervals.",
)


def compare(gathered: Gathered, bars: Summarize) -> list[Comparison]:
    """The rewind points side by side, a comparison for each data set, network and length of training.

    Nothing is averaged across settings: where a rewind point has two of them, none is chosen.
    """
    groups: dict[tuple[object, ...], list[Row]] = {}
    for row in gathered.rows:
        if row["experiment"] == EXPERIMENT:
            groups.setdefault((row["data"], row["model"], row["iterations"]), []).append(row)
    return [_compared(replace(gathered, rows=rows), bars) for rows in groups.values()]


def _compared(gathered: Gathered, bars: Summarize) -> Comparison:
    rows = gathered.rows
    about = f"{rows[0]['model']} on {rows[0]['data']}, {rows[0]['iterations']:,} iterations"
    if problem := unclear(rows):
        return Comparison("stability", about, notes=(f"Rewind points of {about} are not set side by side: {problem}.",))
    tables = {name: once(name, table_rows, rows) for name, table_rows in tables_of_jobs(gathered, TABLES).items()}
    networks, below = networks_of(tables["stability"], rows), bound_of(gathered)
    title = f"Stability of {about}: instability of the error (points) and accuracy (%)"
    return Comparison(
        "stability",
        about,
        [f"{about}:", *paragraphs(networks, below)],
        SUMMARY,
        summary_rows(networks, below, gathered),
        sheet(title, networks, below, gathered.criteria),
        FIGURES,
        Results({"results": rows, **tables}, bars=bars),
        frozenset(row["setting"] for row in rows),
    )


def bound_of(gathered: Gathered) -> float:
    """The instability below which networks are stable, as the jobs have it; the default where they do not agree."""
    bounds = {config_of(folder).get("stable_below", STABLE) for folder in gathered.folders}
    [bound, *others] = bounds or {STABLE}
    return float(bound) if not others and isinstance(bound, int | float) and bound > 0 else STABLE


def unclear(rows: Sequence[Row]) -> str:
    """Why rewind points cannot be set side by side, in words; empty where they can."""
    settings: dict[int, set[str]] = {}
    for row in rows:
        settings.setdefault(row["rewind"], set()).add(row["setting"])
    for rewind, names in settings.items():
        if len(names) > 1:
            return f"k={rewind:,} has the settings {', '.join(sorted(names))}; name one's folder"
    return ""


def once(name: str, table_rows: Sequence[Row], results: Sequence[Row]) -> list[Row]:
    """The rows of a table that belong to `results`; of two jobs that measured the same pair the later counts."""
    settings = {row["setting"] for row in results}
    key = next(table for table in TABLES if table.name == name).key
    latest = {(row["seed"], *(row[column] for column in key)): row for row in table_rows if row["setting"] in settings}
    return list(latest.values())


def summary_rows(networks: Sequence[Network], below: float, gathered: Gathered) -> list[Row]:
    """The rows of the table SUMMARY."""
    matching = matching_at(networks, gathered.criteria)
    summaries = []
    for network in networks:
        accuracies = network.accuracies(t_interval)
        for k in network.rewinds:
            pair = next(row for row in network.pairs if row["rewind"] == k)
            children = [row for row in network.children if row["rewind"] == k]
            row = {key: gathered.rows[0][key] for key in ("data", "model")} | {"failed": failures(children).failed}
            row |= {key: pair[key] for key in ("total", "setting", "rewind", "level", "density", "arm")}
            intervals = {name: network.intervals(name).get(k) for name in MEASURED}
            for name, interval in {**intervals, "final_test_accuracy": accuracies.get(k)}.items():
                row |= bounds(name, interval) if interval else {}
            instability = intervals[INSTABILITY]
            row |= {"n": instability.n if instability else 0}
            row |= {"stable": judged(instability, below) if instability else "undecided"}
            row |= {"matching": matching.get((k, network.level)) if network.arm == "ticket" else None}
            summaries.append(SUMMARY.row(row))
    return summaries
