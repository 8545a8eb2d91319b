"""Folders of anyone's: no file in them holds a command, ends it with a traceback, or leads it out of its folder."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from lth.commands import claims, power, report
from lth.core.errors import LotteryError
from lth.core.files import write_csv
from lth.report.reading import results_below
from lth.report.tables import CORRECT, CURVES, RESULTS

ROW = {
    **{"experiment": "imp", "setting": "one", "data": "mnist", "model": "lenet_300_100", "schedule": "iterative"},
    **{"seed": 0, "level": 0, "arm": "ticket", "draw": 0, "status": "done", "density": 1.0, "weights_left": 100},
    **{"rewind": 0, "iterations": 100, "run": "r", "final_test_accuracy": 0.9},
}
KINDS: dict[str, Callable[[Path], object]] = {
    "a pipe": os.mkfifo,
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a folder": Path.mkdir,
    "a dangling link": lambda path: path.symlink_to("nowhere"),
    "a link to itself": lambda path: path.symlink_to(path.name),
    "no text": lambda path: path.write_bytes(b"\xff\xfe\x00"),
}


def job(folder: Path) -> Path:
    write_csv(folder / "results.csv", RESULTS, [dict.fromkeys(RESULTS) | ROW])
    write_csv(folder / "curves.csv", CURVES, [dict.fromkeys(CURVES) | {"run": "r", "iteration": 0}])
    write_csv(folder / "correct.csv", CORRECT, [dict.fromkeys(CORRECT) | {"run": "r"}])
    (folder / ".hydra").mkdir()
    (folder / ".hydra" / "config.yaml").write_text("report: {margin: 0.2}\n")
    return folder


COMMANDS: dict[str, Callable[[Path], None]] = {
    "report": lambda place: report.main([str(place), "--to", str(place.parent / "to")]),
    "claims": lambda place: claims.main(["frankle2019", str(place)]),
    "power": lambda place: power.main([str(place)]),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["results.csv", "curves.csv", "correct.csv", ".hydra/config.yaml"])
def test_what_lies_in_place_of_a_file_is_one_line_and_holds_nobody(tmp_path: Path, name: str, kind: str) -> None:
    path = job(tmp_path / "job") / name
    path.unlink()
    KINDS[kind](path)
    for command, run in COMMANDS.items():
        if command != "report" and name == ".hydra/config.yaml":
            continue  # nothing but a report looks at it
        with pytest.raises(LotteryError) as raised:
            run(tmp_path / "job")
        assert str(raised.value).startswith(f"{path}: ") and str(raised.value).isprintable()


@pytest.mark.parametrize("kind", KINDS)
def test_what_lies_in_place_of_a_claims_file_or_of_results_that_are_named_is_one_line(
    tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "paper.toml"
    KINDS[kind](path)
    with pytest.raises(LotteryError, match=f"^{path}: "):
        claims.main([str(path)])
    if kind != "a folder":
        with pytest.raises(LotteryError, match=f"^{path}: "):
            power.main([str(path)])


PAIRS = list(zip("abcdefgh", "bcdefghi", strict=True))
"""Names of anchors, and of others that hold ten aliases of them."""
YAML = {
    "aliases of aliases": "a: &a [1,1,1,1,1,1,1,1,1,1]\n"
    + "".join(f"{y}: &{y} [{', '.join(10 * [f'*{x}'])}]\n" for x, y in PAIRS),
    "merged aliases": "a: &a {x: 1}\n"
    + "".join(
        f"{y}: &{y} {{<<: [{', '.join(10 * [f'*{x}'])}]}}\n" for x, y in zip("abcdefgh", "bcdefghi", strict=True)
    ),
    "an alias of itself": "report: &a {margin: *a}\n",
    "depth": "report: " + "[" * 100_000,
    "a list": "report: {margin: [1]}",
    "a text": "report: {margin: low}",
    "true": "report: {margin: true}",
    "a variable": "report: {margin: '${oc.env:HOME}'}",
    "code": "report: !!python/object/apply:os.system ['true']",
    "a date of nothing": "report: {margin: !!timestamp x}",
    "not a number": "report: {margin: .nan}",
    "a large number": "report: {margin: 1e999}",
}


@pytest.mark.parametrize("kind", YAML)
def test_a_configuration_of_a_job_is_read_as_plain_values_or_refused_in_one_line(tmp_path: Path, kind: str) -> None:
    (job(tmp_path / "job") / ".hydra" / "config.yaml").write_text(YAML[kind])
    with pytest.raises(LotteryError) as raised:
        COMMANDS["report"](tmp_path / "job")
    assert str(raised.value).isprintable() and os.environ["HOME"] not in str(raised.value).replace(str(tmp_path), "")


def test_loops_of_folders_and_a_deep_one_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job(tmp_path / "a" / "job")
    (tmp_path / "a" / "again").symlink_to(tmp_path)
    (tmp_path / "a" / "loop").symlink_to("loop")
    monkeypatch.chdir(tmp_path)
    for _ in range(1100):  # deeper than Python's calls may go
        os.mkdir("d")
        os.chdir("d")
    try:
        assert results_below(tmp_path) == [tmp_path / "a" / "job" / "results.csv"]
    finally:
        while os.getcwd() != str(tmp_path):
            os.chdir("..")
            os.rmdir("d")


@pytest.mark.parametrize("name", ["report", "report/figures", "report/one", "report/two/figures"])
def test_no_link_leads_a_report_out_of_its_folder(tmp_path: Path, name: str) -> None:
    write_csv(
        tmp_path / "jobs" / "a" / "results.csv",
        RESULTS,
        [dict.fromkeys(RESULTS) | ROW | {"setting": setting} for setting in ("one", "two")],
    )
    (tmp_path / "victim").mkdir()
    link = tmp_path / "jobs" / "a" / name
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(tmp_path / "victim")
    with pytest.raises(LotteryError, match="a link leads out of"):
        report.main([str(tmp_path / "jobs" / "a")])
    assert not list((tmp_path / "victim").iterdir())
