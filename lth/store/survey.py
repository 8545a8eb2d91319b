"""What a store holds and what refers to it: its runs and rows, the jobs that used them, and what is wrong."""

import csv
import io
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lth.core.errors import LotteryError, reason_of
from lth.core.files import is_forbidden, leftovers
from lth.core.reading import read_bytes
from lth.core.sealed import read_sealed
from lth.core.sealed_json import DamagedFileError, read_sealed_json
from lth.store.files import read_whole, replaced_weights
from lth.store.fingerprint import fingerprint
from lth.store.layout import ASIDE, CHECKPOINTS, PROBES, RUN_FILE, row_files, run_folders, run_of_row
from lth.store.rows import read_row

UNSEARCHED = ("wandb",)


@dataclass(frozen=True)
class Folder:
    """The folder of a run: `kept`, `unfinished` (no result yet) or set `aside`, by its name."""

    path: Path

    @property
    def run(self) -> str:
        """The name of the run."""
        return self.path.name.partition(ASIDE)[0]

    @property
    def status(self) -> str:
        """What it is."""
        if ASIDE in self.path.name:
            return "aside"
        return "kept" if os.path.lexists(self.path / RUN_FILE) else "unfinished"

    @property
    def size(self) -> int:
        """Bytes of all files in it."""
        return sum(size_of(path) for path in [self.path, *files_below(self.path)])

    @property
    def changed(self) -> float:
        """When its result was written, or what there is of one, in seconds since the epoch."""
        main = self.path / RUN_FILE
        paths = [main] if self.status == "kept" else [self.path, *files_below(self.path)]
        return max(path.lstat().st_mtime for path in paths)


@dataclass
class Survey:
    """A store: the folders of its runs, and the rows by run; `bad_rows`: file -> what is wrong with it."""

    store: Path
    folders: list[Folder] = field(default_factory=list)
    rows: dict[str, dict[Path, dict[str, Any]]] = field(default_factory=dict)
    bad_rows: dict[Path, str] = field(default_factory=dict)

    @property
    def kept(self) -> list[Folder]:
        """The folders of finished runs."""
        return [folder for folder in self.folders if folder.status == "kept"]

    @property
    def orphans(self) -> list[Path]:
        """The rows whose run is not kept."""
        kept = {folder.run for folder in self.kept}
        return [path for run, rows in self.rows.items() if run not in kept for path in rows]


def survey(store: Path) -> Survey:
    """What lies in `store`; LotteryError where it may not be read."""
    result = Survey(store)
    try:
        os.listdir(store)  # a pattern matches nothing in a folder that may not be read
        result.folders = [Folder(path) for path in run_folders(store)]
        files = row_files(store)
    except OSError as error:
        raise LotteryError(f"cannot read {error.filename or store}: {reason_of(error)}") from error
    for path in files:
        try:
            result.rows.setdefault(run_of_row(path), {})[path] = read_row(path)
        except (DamagedFileError, OSError) as error:
            result.bad_rows[path] = _problem(path, error)
    return result


def used_by_jobs(folders: Iterable[Path], store: Path) -> dict[str, Path]:
    """Run -> a table of a job that names it, of all tables with a column `run` below `folders`.

    Raises LotteryError for a table that cannot be read: it may name any.
    """
    used: dict[str, Path] = {}
    for path in _tables(folders, os.path.realpath(store)):
        try:
            text = read_bytes(path).decode(errors="replace")
            rows = csv.DictReader(io.StringIO(text, newline=""))
            if "run" in (rows.fieldnames or ()):
                used |= {str(row["run"]): path for row in rows}
        except (OSError, csv.Error) as error:
            raise LotteryError(f"cannot read {path}, which may name any run: {reason_of(error)}") from error
    return used


def problems(folder: Folder) -> Iterator[tuple[Path, str]]:
    """(file, what is wrong with it) of everything in the folder of a run that has changed since it was written."""
    path = folder.path
    if not path.is_dir():
        yield path, "is no folder"
        return
    readers: list[tuple[Path, Callable[[Path], Any]]] = []
    if folder.status == "kept":
        readers.append((path / RUN_FILE, lambda file: _check_fingerprint(folder)))
    readers += [(file, read_sealed_json) for file in sorted(path.glob(f"{PROBES}/*.json"))]
    readers += [(file, read_sealed) for file in sorted(path.glob(CHECKPOINTS))]
    for file, read in readers:
        try:
            read(file)
        except (LotteryError, DamagedFileError, OSError) as error:
            yield file, _problem(file, error)


def _check_fingerprint(folder: Folder) -> None:
    """Reads a run with its weights; DamagedFileError where its name is not that of its fingerprint."""
    question, _ = read_whole(folder.path)
    if fingerprint(question) != folder.run:
        raise DamagedFileError("it is the run of another fingerprint")


def _problem(file: Path, error: Exception) -> str:
    """What is wrong with a file; LotteryError where the user may not read it, which says nothing of its content."""
    cause = error.__cause__ if isinstance(error.__cause__, Exception) else error
    if is_forbidden(cause) or is_forbidden(error):
        raise LotteryError(f"cannot read {file}: {reason_of(cause)}") from error
    return reason_of(cause if isinstance(error, LotteryError) else error)


def remains(folder: Folder) -> list[Path]:
    """What killed processes left in the folder of a finished run: half files, replaced weights, checkpoints."""
    path = folder.path
    if folder.status != "kept" or not path.is_dir():
        return leftovers(path)
    return [*leftovers(path), *leftovers(path / PROBES), *replaced_weights(path), *path.glob(CHECKPOINTS)]


def files_below(folder: Path) -> Iterator[Path]:
    """All files in a folder and below it; links are not followed."""
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            yield Path(place) / name


def size_of(path: Path) -> int:
    """Bytes of a file; 0 for one that has gone, and for a folder."""
    try:
        return path.lstat().st_size if not path.is_dir() or path.is_symlink() else 0
    except OSError:
        return 0


def _tables(folders: Iterable[Path], store: str) -> Iterator[Path]:
    """The CSV tables in `folders` and below, outside of the store."""

    def refuse(error: OSError) -> None:
        raise LotteryError(f"cannot read {error.filename}, which may name any run: {reason_of(error)}") from error

    for top in folders:
        for place, below, files in os.walk(top, onerror=refuse):
            below[:] = [
                name
                for name in below
                if name not in UNSEARCHED and not name.startswith(".") and os.path.realpath(Path(place) / name) != store
            ]
            yield from (Path(place) / name for name in sorted(files) if name.endswith(".csv"))
