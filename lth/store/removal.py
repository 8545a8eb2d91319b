"""Removes from a store what the user names and nothing refers to; trainings in progress are safe."""

import re
import shutil
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from lth.core.errors import SettingError
from lth.core.files import writing
from lth.store.layout import RUN_FILE, lock_file
from lth.store.locks import is_held, locked
from lth.store.survey import Folder, Survey, problems, remains, size_of

WORDS = "unused, damaged, setting=NAME, older=30d"
_SECONDS = {"h": 3_600, "d": 86_400, "w": 604_800}


@dataclass(frozen=True)
class Request:
    """What to remove: runs that nothing refers to, of one setting, older than so many seconds; or what is damaged."""

    unused: bool = False
    damaged: bool = False
    setting: str = ""
    older: float = 0.0


@dataclass
class Selection:
    """What is to be removed: the folders of runs, rows, and further files. in_use: how many runs jobs still name."""

    folders: list[Folder] = field(default_factory=list)
    rows: list[Path] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    in_use: int = 0

    @property
    def size(self) -> int:
        """Bytes of all that."""
        return sum(folder.size for folder in self.folders) + sum(map(size_of, {*self.rows, *self.files}))


def request_of(words: Sequence[str]) -> Request:
    """What the words of a command line ask to remove; SettingError for a word that says nothing."""
    values: dict[str, str] = {}
    for word in words:
        name, _, value = word.partition("=")
        values[name] = value
        if name not in ("unused", "damaged", "setting", "older") or bool(value) != (name in ("setting", "older")):
            raise SettingError("--remove", word, f"must be some of {WORDS}")
    if "damaged" in values and len(values) > 1:
        raise SettingError("--remove", " ".join(words), "what is damaged is removed by itself")
    older = re.fullmatch(r"(\d{1,6})([hdw])", values.get("older", "0d"))
    if not older:
        raise SettingError("--remove", f"older={values['older']}", "must be a time such as 12h, 30d or 8w")
    seconds = int(older[1]) * _SECONDS[older[2]]
    return Request("unused" in values, "damaged" in values, values.get("setting", ""), seconds)


def select(survey: Survey, request: Request, used: Iterable[str]) -> Selection:
    """What a request chooses in a store; never what a job's tables name: `used` are those runs."""
    if request.damaged:
        return _damaged(survey)
    used, chosen = set(used), Selection()
    for folder in survey.folders:
        rows = survey.rows.get(folder.run, {})
        young = time.time() - folder.changed <= request.older if request.older else folder.status != "kept"
        others = [row for row in rows.values() if str(row.get("setting")) != request.setting]
        if young or folder.status == "aside" or (request.unused and rows) or (request.setting and not rows):
            continue
        if folder.run in used:
            chosen.in_use += not request.unused and not (request.setting and len(others) == len(rows))
            continue
        if request.setting:
            chosen.rows += [path for path, row in rows.items() if str(row.get("setting")) == request.setting]
        else:
            chosen.rows += rows
        if not request.setting or not others:
            chosen.folders.append(folder)
    return chosen


def remove(survey: Survey, selection: Selection) -> tuple[int, int]:
    """Removes a selection: (bytes that are free now, runs that stay because a process is training them)."""
    freed = busy = 0
    held = {folder.run for folder in selection.folders if is_held(lock_file(survey.store, folder.run))}
    for folder in selection.folders:
        if folder.run in held and folder.status != "aside":
            busy += 1
            continue
        freed += folder.size
        with writing(folder.path):
            _remove_folder(survey.store, folder)
    for path in [*selection.rows, *selection.files]:
        if path.parent.name not in held:
            freed += size_of(path)
            with writing(path):
                path.unlink(missing_ok=True)
            with suppress(OSError):  # it holds more
                path.parent.rmdir()
    return freed, busy


def _damaged(survey: Survey) -> Selection:
    """What is damaged, set aside, or left by killed processes."""
    chosen = Selection(rows=list(survey.bad_rows))
    for folder in survey.folders:
        wrong = [path for path, _ in problems(folder)]
        if folder.status == "aside" or folder.path / RUN_FILE in wrong or folder.path in wrong:
            chosen.folders.append(folder)
        elif not is_held(lock_file(survey.store, folder.run)):
            chosen.files += [*wrong, *remains(folder)]
    return chosen


def _remove_folder(store: Path, folder: Folder) -> None:
    """Removes the folder of a run under its lock, what makes it a run first; then the lock."""
    if folder.status == "aside":
        _remove(folder.path)
        return
    lock = lock_file(store, folder.run)
    with locked(lock, f"run {folder.run}", store, seconds=0):
        with suppress(NotADirectoryError):
            (folder.path / RUN_FILE).unlink(missing_ok=True)
        _remove(folder.path)
        lock.unlink(missing_ok=True)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
