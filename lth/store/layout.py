"""Where things lie in a store: the one place that knows its folders. Imports no torch.

    <store>/<2>/<run>/            run.json, weights-<digest>.safetensors, probes/, checkpoint-<request>.safetensors
    <store>/<2>/<run>.lock        held by the process that trains the run
    <store>/<2>/<run>.damaged-1/  what was set aside
    <store>/rows/<2>/<run>/       the rows of results that experiments made of the run, a file each

<2> is the first two letters of the run's name. Stores that are older have `weights.safetensors` and `rows` in the
run's folder. Rows lie apart, since a run's folder may be set aside or made again, and they may be of many experiments.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lth.core.errors import LotteryError

RUN_FILE = "run.json"
ROWS = "rows"
PROBES = "probes"
OLD_WEIGHTS = "weights.safetensors"
"""The weights of a run in stores that are older than names by digest."""
WEIGHTS = re.compile(r"weights(-[0-9a-f]+)?\.safetensors")
CHECKPOINTS = "checkpoint-*.safetensors"
ASIDE = ".damaged-"
"""What the name of a folder that was set aside has after the run's."""
_RUN = re.compile(r"\w[\w-]*")
_LONG = 150
"""The length of a row's name, in characters, that every file system takes."""


def run_folder(store: Path, run: str) -> Path:
    """The folder of the run named `run`; LotteryError for what cannot be the name of one, such as a path."""
    if not isinstance(run, str) or not _RUN.fullmatch(run):
        raise LotteryError(f"{run!r} is not the name of a run")
    return store / run[:2] / run


def lock_file(store: Path, run: str) -> Path:
    """The file that the process holds a lock on that trains `run`."""
    return run_folder(store, run).with_suffix(".lock")


def weights_name(digest: str) -> str:
    """The name of the file with weights whose content has the hash `digest`."""
    return f"weights-{digest}.safetensors"


def rows_folder(store: Path, run: str) -> Path:
    """The folder with the rows of `run`."""
    return store / ROWS / run_folder(store, run).relative_to(store)


def row_file(store: Path, row: Mapping[str, Any]) -> Path:
    """The file of a row of results; one of the same setting, seed, level, arm and draw has the same."""
    words = (row["setting"], f"seed{row['seed']}", f"level{row['level']:02}", row["arm"], str(row["draw"]))
    name = "-".join(map(str, words))
    safe = re.sub(r"[^\w.:+-]", "_", name)[:_LONG]
    if safe != name:  # two names that are no file names may be alike now
        safe = f"{safe}-{hashlib.sha256(name.encode()).hexdigest()[:10]}"
    return rows_folder(store, row["run"]) / f"{safe}.json"


def old_row_file(store: Path, path: Path) -> Path:
    """Where an older store has the row that lies in the file `path` now."""
    return run_folder(store, path.parent.name) / ROWS / path.name


def row_files(store: Path) -> list[Path]:
    """The files of all rows, by path; none where it is no store. Of one in the old place and in the new, the new."""
    new = {(path.parent.name, path.name): path for path in store.glob(f"{ROWS}/??/*/*.json")}
    old = (path for path in store.glob(f"??/*/{ROWS}/*.json") if ASIDE not in path.parts[-3])
    return sorted(({(path.parts[-3], path.name): path for path in old} | new).values())


def store_of_row(path: Path) -> Path:
    """The store that the file of a row lies in."""
    return path.parents[3]


def run_of_row(path: Path) -> str:
    """The name of the run that the file of a row lies at."""
    return path.parents[1].name if path.parent.name == ROWS else path.parent.name


def run_folders(store: Path) -> Iterator[Path]:
    """What lies where the folders of runs do, by path, folders set aside too."""
    return (path for path in sorted(store.glob("[!.][!.]/*")) if path.suffix != ".lock")
