"""What jobs and the store have left behind, read back as rows: every number as it was written."""

import logging
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from lth.core.cells import cell
from lth.core.errors import LotteryError
from lth.core.plain_yaml import read_yaml
from lth.core.sealed_json import DamagedFileError
from lth.core.shown import brief
from lth.core.tables import Row, missing_columns, parse_row
from lth.report.correct import encoded
from lth.report.criteria import Criteria
from lth.report.tables import CORRECT, CURVES, RESULTS, read_table, with_metrics
from lth.store.layout import row_files, run_folder, run_of_row, store_of_row
from lth.store.rows import read_row

log = logging.getLogger(__name__)

CONFIG = Path(".hydra") / "config.yaml"
"""The configuration that Hydra leaves in a job's folder."""
MERGED = "summary.csv"
"""Lies beside a results.csv that a report has merged from others, and beside no job's."""

CLOSED = ("store", "wandb", "reference")
"""Folders that are not searched: what jobs keep for themselves, and published copies. A place may be one of them."""

ASKED = ("experiment", "setting", "schedule", "seed", "level", "arm", "draw")
"""The columns that say what was asked; rows that agree in them answer the same."""


def results_below(place: Path) -> list[Path]:
    """The files with results in `place` and below it, by path: each results.csv, or in a store the rows beside runs.

    A table that a report merged counts only where there is no other.
    """
    try:
        if not stat.S_ISDIR(os.stat(place).st_mode):
            return [place]
    except FileNotFoundError:
        raise LotteryError(f"{place}: there is no such folder") from None
    except (OSError, ValueError) as error:
        raise LotteryError(f"{place}: {getattr(error, 'strerror', None) or error}") from error
    files = row_files(place) or sorted(_walk(place))
    return [path for path in files if not path.with_name(MERGED).exists()] or files


def written(path: Path) -> int:
    """When the file `path` was written, in nanoseconds. Raises LotteryError naming it where it is not to be found."""
    try:
        return os.stat(path).st_mtime_ns
    except OSError as error:
        raise LotteryError(f"{path}: {error.strerror}") from error


def folder_of(path: Path) -> Path:
    """The job's folder that a file with results lies in, or the store."""
    return store_of_row(path) if path.suffix == ".json" else path.parent


def criteria_of(folders: Iterable[Path], given: Mapping[str, float]) -> Criteria:
    """The margins of verdicts that the jobs in `folders` were run with, and those `given` instead (by field).

    They are in the configuration that Hydra left in a job's folder; a folder without one has the defaults. Raises
    LotteryError where jobs differ in a margin that is not given, and SettingError for one out of range.
    """
    values: dict[str, dict[float, Path]] = {entry.name: {} for entry in fields(Criteria)}
    for folder in folders:
        for name, value in _configured(folder, given).items():
            values[name].setdefault(value, folder)
    for name, by_value in values.items():
        if name not in given and len(by_value) > 1:
            (first, one), (second, other), *_ = by_value.items()
            where = f"{first:g} in {one} and {second:g} in {other}"
            raise LotteryError(f"report.{name} differs between jobs: {where}; give report.{name}={first:g}")
    return Criteria(**{name: next(iter(by_value)) for name, by_value in values.items() if by_value} | dict(given))


def _configured(folder: Path, given: Mapping[str, float]) -> dict[str, float]:
    """The margins in the configuration of the job in `folder` that are not `given`; defaults where it has none.

    Raises LotteryError for one that is no number: a name in it, as `${oc.env:MARGIN}`, is not looked up.
    """
    margins = {entry.name: getattr(Criteria(), entry.name) for entry in fields(Criteria)}
    values = config_of(folder).get("report")
    for name, value in values.items() if isinstance(values, dict) else ():
        if name in margins and name not in given:
            if isinstance(value, bool) or not isinstance(value, int | float):
                problem = f"is no number; give report.{name}={margins[name]:g}, or another"
                raise LotteryError(f"{folder / CONFIG}: report.{name}={brief(value)}: {problem}")
            margins[name] = float(value)
    return margins


def config_of(folder: Path) -> dict[str, Any]:
    """The configuration that Hydra left in the job's `folder`, as plain values; empty where there is none.

    Raises LotteryError naming the file where it cannot be read.
    """
    path = folder / CONFIG
    if not os.path.lexists(path):
        return {}
    try:
        values = read_yaml(path)
    except OSError as error:
        raise LotteryError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise LotteryError(f"{path}: is not a configuration: {error}") from error
    return values if isinstance(values, dict) else {}


def read_results(path: Path) -> list[Row]:
    """The rows in a file with results. Raises LotteryError naming it where it cannot be read or lacks a value.

    A row of a store that is damaged is left out, and a line says so.
    """
    if path.suffix != ".json":
        return read_table(RESULTS, path)
    try:
        return [_read_kept(path)]
    except LotteryError as error:
        log.warning("%s: this row is left out", error)
        return []


def read_curves(path: Path) -> dict[str, list[Row]]:
    """Run -> the rows of its curve, of the runs whose results are in the file `path`.

    Of a run that is damaged or not in the store there are none; of a damaged one a line says so.
    """
    if path.suffix == ".json":
        folder = _run_folder(path)
        try:
            from lth.report.rows import curve_rows  # torch, which the folders of jobs do without
            from lth.store.files import read_result

            result = read_result(folder)
        except LotteryError as error:
            if folder.exists():
                log.warning("%s: its curve is left out", error)
            return {}
        result.run = folder.name
        return {result.run: curve_rows(result)}
    table, found = path.with_name("curves.csv"), dict[str, list[Row]]()
    for row in read_table(CURVES, table) if os.path.lexists(table) else ():
        found.setdefault(row["run"], []).append(row)
    return found


def read_correct(path: Path) -> dict[str, dict[str, str | None]]:
    """Run -> the cells of correct.csv, of the runs whose results are in the file `path`."""
    if path.suffix == ".json":
        from lth.store.files import read_correct_bits  # torch, late

        folder = _run_folder(path)
        return {folder.name: {kind: encoded(bits) for kind, bits in read_correct_bits(folder).items()}}
    table = path.with_name("correct.csv")
    rows = CORRECT.read(table) if os.path.lexists(table) else []
    return {row["run"]: {kind: row[kind] for kind in ("early_stop", "final")} for row in rows}


def _run_folder(path: Path) -> Path:
    """The folder of the run that a row of a store is of."""
    return run_folder(store_of_row(path), run_of_row(path))


def _read_kept(path: Path) -> Row:
    try:
        values = read_row(path)
    except OSError as error:
        raise LotteryError(f"{path}: {error.strerror}") from error
    except DamagedFileError as error:
        raise LotteryError(f"{path}: is not a row of results ({error})") from error
    if missing_columns(RESULTS.columns, values):
        raise LotteryError(f"{path}: is not a row of results")
    cells = {column: str(cell(value)) for column, value in values.items()}
    return parse_row(str(path), cells, with_metrics(RESULTS, cells).columns, RESULTS.rules)


def _walk(place: Path) -> Iterator[Path]:
    """Each results.csv in `place` and below it, links to folders not followed.

    A folder that cannot be read is left out, with a warning.
    """
    folders = [place]
    while folders:  # a list instead of recursion, as deep as folders may lie
        folder = folders.pop()
        try:
            with os.scandir(folder) as entries:
                names = {entry.name: entry.is_dir(follow_symlinks=False) for entry in entries}
        except OSError as error:
            log.warning("%s", LotteryError(f"{folder}: {error.strerror}; what lies below it is left out"))
            continue
        folders += [folder / name for name in names if names[name] and name not in CLOSED and not name.startswith(".")]
        if "results.csv" in names:
            yield folder / "results.csv"
