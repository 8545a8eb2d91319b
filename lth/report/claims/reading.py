"""Reads the evidence for claims from the folders of jobs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from lth.core.errors import LotteryError
from lth.core.tables import Row, Table
from lth.report.claims.evidence import CURVES, RESULTS, Evidence
from lth.report.claims.files import Claims
from lth.report.gather import gather, tables_of_jobs
from lth.report.headline import schedule_words


def read_evidence(
    places: Sequence[Path], claims: Claims, tables: Iterable[str] = (), declared: Mapping[str, Table] | None = None
) -> Evidence:
    """What the jobs in and below `places` have measured of the experiment, data and model of `claims`.

    tables: the names of the tables to read besides results.csv; where a seed was run twice the later table counts.
    declared: the experiment's tables by name, as it declares them. Raises LotteryError as `results_of` does, and for a
    file that cannot be read.
    """
    gathered = gather(places)
    results = results_of(gathered.rows, claims)
    names = [name for name in dict.fromkeys(tables) if name not in (RESULTS, CURVES)]
    if undeclared := [name for name in names if name not in (declared or {})]:
        raise LotteryError(f"{claims.path}: lth {claims.experiment} declares no table {', '.join(undeclared)}")
    others = tables_of_jobs(replace(gathered, rows=results), [(declared or {})[name] for name in names])
    curves = [row for rows in gathered.curves.values() for row in rows] if CURVES in tables else []
    return evidence_of({CURVES: curves, **others, RESULTS: results}, claims)


def evidence_of(tables: Mapping[str, Sequence[Row]], claims: Claims) -> Evidence:
    """The evidence in `tables`, read as `claims` say."""
    chance = None if claims.chance is None else claims.chance / 100
    return Evidence(tables, density_arm=claims.density_arm, chance=chance, arms=claims.arms)


def results_of(rows: Iterable[Row], claims: Claims) -> list[Row]:
    """Those of the `rows` of results.csv that `claims` are about.

    Raises LotteryError where there are none, and where one schedule, with one way to iterate, has two settings: they
    are never averaged.
    """
    results = _about(rows, claims)
    if not results:
        raise LotteryError(f"no results of {claims.model} on {claims.data}; run {claims.command}")
    settings: dict[str, set[str]] = {}
    for row in results:
        settings.setdefault(schedule_words(row), set()).add(row["setting"])
    for schedule, names in settings.items():
        if len(names) > 1:
            several = f"{len(names)} settings ({', '.join(sorted(names))})"
            raise LotteryError(f"results of {several} for {schedule}: name the folder of one")
    return results


def _about(rows: Iterable[Row], claims: Claims) -> list[Row]:
    keys = ("experiment", "data", "model")
    return [row for row in rows if all(row[key] == getattr(claims, key) for key in keys)]
