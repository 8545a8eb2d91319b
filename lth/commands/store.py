"""`lth store [FOLDER]`: what a store holds, whether it is whole, and what of it can go."""

import argparse
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lth.core.errors import LotteryError
from lth.core.shown import shown

if TYPE_CHECKING:
    from lth.store.survey import Folder, Survey

STORE = Path("outputs") / "store"
WAIT = 2.0
"""Seconds after which a progress bar appears."""
EPILOG = """\
--remove takes words that narrow each other: unused (no table of a job and no kept row names the run),
setting=NAME (the rows of one setting, and the runs that only those name), older=30d (or 12h, 8w).
What a table of a job below --jobs names always stays: delete the job's folder first. --remove damaged is for
what is damaged or was set aside, and for what killed processes left.
"""


def parser() -> argparse.ArgumentParser:
    """The arguments of `lth store`. Imports no torch, so that --help is quick."""
    description = "Lists the trainings of a store, checks them, and removes what nothing refers to."
    parser = argparse.ArgumentParser(prog="lth store", description=description, epilog=EPILOG)
    parser.add_argument("folder", nargs="?", type=Path, default=STORE, help="the store (default: outputs/store)")
    parser.add_argument("--check", action="store_true", help="read everything; exit 1 where something is damaged")
    parser.add_argument("--remove", nargs="+", metavar="WORD", help="unused, setting=NAME, older=30d; or damaged")
    parser.add_argument("--yes", action="store_true", help="remove without asking")
    parser.add_argument(
        "--jobs", nargs="+", type=Path, metavar="FOLDER", help="where jobs' tables lie (default: beside the store)"
    )
    return parser


def main(words: Sequence[str]) -> None:
    """Runs `lth store` with the command line `words`."""
    options = parser().parse_args(words)
    if options.check and options.remove:
        raise LotteryError("--check and --remove are two commands: check first")
    from lth.store.removal import request_of
    from lth.store.survey import survey

    request = request_of(options.remove) if options.remove else None
    store = _store(options.folder)
    contents = survey(store)
    jobs = options.jobs or [store.resolve().parent]
    if request:
        _remove(contents, request, jobs, options.yes)
    elif options.check:
        _check(contents)
    else:
        _list(contents, jobs)


def _store(folder: Path) -> Path:
    """The store that a folder is, or has in it as `store`."""
    inner = folder / "store"
    chosen = inner if inner.is_dir() else folder
    if not chosen.is_dir():
        raise LotteryError(f"{folder}: there is no such folder")
    return chosen


def _list(contents: "Survey", jobs: Sequence[Path]) -> None:
    """Prints what the store holds, the number and size of its runs first."""
    from lth.report.sheet import Sheet
    from lth.store.survey import used_by_jobs

    used = used_by_jobs(jobs, contents.store)
    unused = [folder for folder in contents.kept if folder.run not in used and not contents.rows.get(folder.run)]
    others = {status: [x for x in contents.folders if x.status == status] for status in ("unfinished", "aside")}
    _say(f"{contents.store}: {_amount(contents.kept)}.")
    if cells := _cells(contents):
        heads = ("experiment", "setting", "data", "model", "runs", "size", "last")
        Sheet("Kept, by what has rows of results", heads, cells, texts=heads[:4], keys=2).print()
    if unused:
        _say(f"Unused, named by no table of a job and no kept row: {_amount(unused)}; lth store --remove unused")
    if others["unfinished"]:
        _say(f"Unfinished: {_amount(others['unfinished'])}; the same command goes on with them.")
    if others["aside"] or contents.bad_rows:
        bad = f", and {_counted(len(contents.bad_rows), 'damaged row')}" if contents.bad_rows else ""
        _say(f"Set aside as damaged: {_amount(others['aside'])}{bad}; lth store --remove damaged")


def _cells(contents: "Survey") -> list[list[str]]:
    """A line for each experiment and setting; a run that several have counts in each."""
    groups: dict[tuple[str, ...], dict[str, Folder]] = {}
    for folder in contents.kept:
        rows = contents.rows.get(folder.run, {}).values()
        names = {tuple(_name(row.get(key)) for key in ("experiment", "setting", "data", "model")) for row in rows}
        for name in names or {("no rows", "", "", "")}:
            groups.setdefault(name, {})[folder.run] = folder
    now, lines = time.time(), []
    for name, folders in sorted(groups.items(), key=lambda group: (group[0][0] == "no rows", group[0])):
        sizes, last = sum(x.size for x in folders.values()), max(x.changed for x in folders.values())
        lines.append([*name, str(len(folders)), size_text(sizes), age_text(now - last)])
    return lines


def _check(contents: "Survey") -> None:
    """Prints what is wrong in the store, a line each, after how much there is; exit 1 where anything is damaged."""
    from lth.store.survey import problems, remains

    wrong, left = list(contents.bad_rows.items()), []
    aside = [folder for folder in contents.folders if folder.status == "aside"]
    for folder in _watched([folder for folder in contents.folders if folder.status != "aside"], "checking"):
        wrong += problems(folder)
        left += remains(folder)
    rows = sum(map(len, contents.rows.values()))
    count = f"{len(wrong)} files are damaged" if len(wrong) != 1 else "1 file is damaged"
    amount = f"{_amount(contents.kept)}, {_counted(rows, 'row')}"
    _say(f"{contents.store}: {count if wrong else 'all is whole'}; {amount}.")
    for path, problem in wrong:
        _say(f"damaged: {path}: {problem}", whole=True)
    for path in left:
        _say(f"left by a killed process: {path}", whole=True)
    for folder in aside:
        _say(f"set aside: {folder.path} ({size_text(folder.size)})", whole=True)
    if contents.orphans:
        _say(f"Rows of runs that are not kept, with results and no curve: {len(contents.orphans)}.")
    if wrong or left or aside:
        _say(f"lth store {contents.store} --remove damaged takes all that away; runs are trained again when needed.")
    if wrong:
        sys.exit(1)


def _remove(contents: "Survey", request: Any, jobs: Sequence[Path], yes: bool) -> None:
    """Removes what a request chooses, after asking."""
    from lth.store.removal import remove, select
    from lth.store.survey import used_by_jobs

    selection = select(contents, request, used_by_jobs(jobs, contents.store))
    parts = [_amount(selection.folders)] if selection.folders else []
    parts += [
        _counted(len(paths), noun) for paths, noun in ((selection.rows, "row"), (selection.files, "file")) if paths
    ]
    stay = _staying(selection.in_use, "tables of jobs name it", "tables of jobs name them")
    if not parts:
        _say(f"Nothing to remove in {contents.store}.{stay}")
        return
    what = " and ".join(parts)
    if not yes:
        if sys.stdin is None or not sys.stdin.isatty():
            raise LotteryError(f"would remove {what}: confirm with --yes, as there is no terminal to ask on")
        if input(f"Remove {what} from {contents.store}?{stay} [y/N] ").strip().lower() not in ("y", "yes"):
            _say("Nothing was removed.")
            return
    freed, busy = remove(contents, selection)
    trained = _staying(busy, "it is being trained", "they are being trained")
    _say(f"{size_text(freed)} are free now.{stay}{trained}")


def _staying(count: int, one: str, many: str) -> str:
    """That so many runs stay, and why; nothing for none."""
    return "" if not count else f" 1 run stays: {one}." if count == 1 else f" {count} runs stay: {many}."


def _watched(folders: Sequence["Folder"], what: str) -> Iterable["Folder"]:
    from tqdm import tqdm

    bar: Iterable[Folder] = tqdm(folders, what, unit="run", delay=WAIT, leave=False, disable=None)
    return bar


def _amount(folders: Sequence["Folder"]) -> str:
    return f"{_counted(len(folders), 'run')}, {size_text(sum(folder.size for folder in folders))}"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' * (count != 1)}"


def _name(value: object) -> str:
    """The text of a cell, on one line and of a length that leaves room for the others."""
    text = "" if value is None else shown(str(value))
    return text if len(text) <= 20 else f"{text[:19]}…"


def size_text(size: int) -> str:
    """A number of bytes, in words.

    >>> size_text(999), size_text(1_500_000)
    ('999 B', '1.5 MB')
    """
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= scale:
            return f"{size / scale:.1f} {unit}"
    return f"{size} B"


def age_text(seconds: float) -> str:
    """A time that has passed, in words.

    >>> age_text(30), age_text(90_000)
    ('now', '1 day ago')
    """
    for name, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= length:
            count = int(seconds // length)
            return f"{count} {name}{'s' * (count > 1)} ago"
    return "now"


def _say(line: str, whole: bool = False) -> None:
    from lth.report.terminal import Terminal, say

    say(Terminal(), line, whole)
