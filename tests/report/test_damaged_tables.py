"""Hundreds of damaged tables, from a seed: each is refused in one line, named, or read as it was written."""

import logging
import random
from pathlib import Path

import pytest

from lth.core import digests
from lth.core.errors import LotteryError
from lth.core.files import write_csv
from lth.report.gather import Gathered, gather
from lth.report.tables import CURVES, RESULTS
from lth.reporting import report

COUNT = 300
NAME = "<b>\x1b[31m$\\frac{ [red] =1+1 \u202e"


def rows(**more: object) -> list[dict[str, object]]:
    about = {"experiment": "imp", "setting": "one", "data": "mnist", "model": "lenet", "schedule": "iterative"}
    about |= {"seed": 0, "draw": 0, "status": "done", "rewind": 0, "iterations": 100, "early_stop_censored": False}
    places = [("ticket", 0), ("ticket", 1), ("reinit", 1)]
    return [
        dict.fromkeys(RESULTS)
        | about
        | {"level": level, "arm": arm, "density": 0.8**level, "weights_left": 100 - 20 * level, "run": f"{arm}{level}"}
        | {"early_stop_iteration": 50, "early_stop_val_loss": 0.25, "early_stop_test_accuracy": 0.875}
        | {"final_val_loss": 0.5, "final_test_accuracy": 0.9375, "grad_norm_init": 1.5, "grad_norm_end": 0.5}
        | more
        for arm, level in places
    ]


def points(**more: object) -> list[dict[str, object]]:
    runs = [(str(row["run"]), at) for row in rows() for at in (0, 50, 100)]
    values = {"train_loss": 0.5, "val_loss": 0.5, "val_accuracy": 0.75, "test_accuracy": 0.75, "grad_norm": 1.0}
    return [dict.fromkeys(CURVES) | values | {"run": run, "iteration": at} | more for run, at in runs]


def damaged(content: bytes, chance: random.Random) -> bytes:
    place, lines = chance.randrange(len(content)), content.splitlines(keepends=True)
    first, second = chance.randrange(len(lines)), chance.randrange(len(lines))
    changed = list(lines)
    changed[first] = lines[second]
    return chance.choice(
        [
            content[:place] + bytes([content[place] ^ 1 << chance.randrange(8)]) + content[place + 1 :],
            content[:place] + bytes([chance.randrange(256)]) + content[place:],
            content[:place] + content[place + 1 :],
            content[:place],
            b"".join(changed),
            content.replace(b"0.", chance.choice([b"57.", b"-0.", b"nan", b"1e309", b"9" * 400]), 1),
        ]
    )


def same(first: Gathered, second: Gathered) -> bool:
    return (first.rows, first.curves) == (second.rows, second.curves)


@pytest.mark.slow
def test_no_damage_gives_another_number_silently(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    paths = [RESULTS.write(tmp_path, rows()), CURVES.write(tmp_path, points())]
    written, chance = gather([tmp_path]), random.Random(0)
    outcomes = {"refused": 0, "named": 0, "unchanged": 0}
    for number in range(COUNT):
        path = paths[number % 2]
        content = path.read_bytes()
        path.write_bytes(damaged(content, chance))
        caplog.clear()
        try:
            with caplog.at_level(logging.WARNING):
                read = gather([tmp_path])
        except LotteryError as error:
            assert str(error).isprintable()
            outcomes["refused"] += 1
        else:
            said = any("edited by hand or damaged" in record.message for record in caplog.records)
            assert said or same(read, written)
            outcomes["named" if said else "unchanged"] += 1
        path.write_bytes(content)
        digests._say.cache_clear()
    assert sum(outcomes.values()) == COUNT and outcomes["refused"] > 60 and outcomes["named"] > 60


@pytest.mark.parametrize(
    ("more", "point"),
    [
        ({"data": NAME, "model": NAME, "setting": NAME, "schedule": NAME}, {}),
        ({"model": "$" * 3000, "setting": "../../x"}, {}),
        (
            {"grad_norm_end": 1e300, "early_stop_val_loss": 1e300, "seconds": 1e300},
            {"val_loss": 1e300, "grad_norm": 1e300},
        ),
        ({"grad_norm_end": float("inf"), "grad_norm_init": float("nan")}, {"grad_norm": float("nan")}),
        ({"rewind": None, "iterations": None, "weights_left": None, "run": None, "data": None, "model": None}, {}),
        ({"early_stop_iteration": None, "early_stop_test_accuracy": None, "final_test_accuracy": None}, {}),
        ({"density": 0.0, "weights_left": 0, "early_stop_iteration": 0}, {"val_loss": 0.0, "grad_norm": 0.0}),
        ({"status": "diverged"}, {"val_loss": None, "test_accuracy": None, "val_accuracy": None}),
    ],
)
def test_what_a_table_may_hold_makes_a_report_in_its_folder(
    tmp_path: Path, more: dict[str, object], point: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    write_csv(
        tmp_path / "in" / "results.csv", RESULTS, [*rows(**more), *rows(**more | {"seed": 1}), *rows(setting="b")]
    )
    write_csv(tmp_path / "in" / "curves.csv", CURVES, points(**point))
    report([tmp_path / "in"], to=tmp_path / "out")
    assert {path.name for path in tmp_path.iterdir()} == {"in", "out"} and (tmp_path / "out" / "report.html").exists()
    printed = capsys.readouterr()
    assert all(letter.isprintable() or letter == "\n" for letter in printed.out) and not printed.err
