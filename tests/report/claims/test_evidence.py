"""Evidence is read from jobs' folders: the tables that claims need, of their experiment, the latest of a replicate."""

import os
from pathlib import Path

import pytest

from lth.core.errors import LotteryError
from lth.core.files import write_csv
from lth.core.tables import Column, Table
from lth.report.claims.evidence import Evidence
from lth.report.claims.files import Claim, Claims
from lth.report.claims.reading import read_evidence
from lth.report.tables import RESULTS

CLAIMS = Claims("T", "imp", "lth imp", "digits", "mlp", (), Path("paper.toml"))
ABOUT = {"experiment": "imp", "setting": "s", "data": "digits", "model": "mlp", "schedule": "iterative", "level": 1}
ABOUT |= {"arm": "ticket", "draw": 0, "status": "done", "density": 0.8, "iterations": 100}
TABLE = ["draw", "std"]
DECLARED = {
    name: Table(name, (Column("draw", int), Column("std", float)), key=("draw",)) for name in ("signal", "spectrum")
}


def job(folder, seed=0, std=None, age=0, **about):
    row = dict.fromkeys(RESULTS) | ABOUT | {"seed": seed, "run": f"r{seed}"} | about
    write_csv(folder / "results.csv", RESULTS, [row])
    if std is not None:
        write_csv(folder / "signal.csv", TABLE, [{"draw": 0, "std": std}])
    os.utime(folder / "results.csv", (1e9 - age, 1e9 - age))


def test_other_tables_are_read_with_the_seed_of_their_job(tmp_path):
    job(tmp_path / "a", 0, 1.5)
    job(tmp_path / "b", 1, 2.5)
    job(tmp_path / "c", 2)
    job(tmp_path / "other", 3, 9.0, experiment="deploy")
    evidence = read_evidence([tmp_path], CLAIMS, ["signal", "results", "spectrum"], DECLARED)
    assert [row["seed"] for row in evidence.tables["results"]] == [0, 1, 2]
    about = {"setting": "s", "schedule": "iterative", "status": "done", "draw": 0}
    assert evidence.tables["signal"] == [about | {"seed": 0, "std": 1.5}, about | {"seed": 1, "std": 2.5}]
    assert evidence.tables["spectrum"] == []
    assert evidence.values("signal", "std", {}) == {1: {(0, 0): 1.5, (1, 0): 2.5}}


def test_of_one_replicate_the_later_table_counts_and_two_schedules_are_two_replicates(tmp_path):
    job(tmp_path / "a", std=1.5)
    job(tmp_path / "b", std=2.5, age=100)
    job(tmp_path / "c", std=3.5, setting="t", schedule="one_shot")
    evidence = read_evidence([tmp_path], CLAIMS, ["signal"], DECLARED)
    assert [(row["schedule"], row["std"]) for row in evidence.tables["signal"]] == [
        ("iterative", 1.5),
        ("one_shot", 3.5),
    ]
    claim = Claim("A", "", "value", {}, where={"schedule": "one_shot"})
    assert evidence.about(claim).values("signal", "std", {}) == {1: {(0, 0): 3.5}}
    assert [row["setting"] for row in evidence.about(claim).tables["results"]] == ["t"]


def test_a_file_of_several_replicates_has_results_alone(tmp_path):
    rows = [dict.fromkeys(RESULTS) | ABOUT | {"seed": seed, "run": "r"} for seed in (0, 1)]
    write_csv(tmp_path / "results.csv", RESULTS, rows)
    write_csv(tmp_path / "signal.csv", TABLE, [{"draw": 0, "std": 1.0}])
    evidence = read_evidence([tmp_path], CLAIMS, ["signal"], DECLARED)
    assert len(evidence.tables["results"]) == 2 and evidence.rows("signal", {}) == []


def test_a_table_without_the_columns_of_where_stays_as_it_is():
    rows = [{"seed": 0, "level": 1, "arm": "ticket", "density": 0.8, "schedule": "one_shot"}]
    tables = {"results": rows, "curves": [{"run": "r"}], "empty": []}
    about = Evidence(tables).about(Claim("A", "", "value", {}, where={"schedule": "iterative"}, within="runs"))
    assert about.tables == {"results": [], "curves": [{"run": "r"}], "empty": []} and about.by_run
    assert (about.trainings.last_level, about.longest(), about.densities()) == (0, 0, {})


def test_results_of_nothing_are_an_error_that_names_the_command(tmp_path):
    job(tmp_path, model="conv2")
    with pytest.raises(LotteryError, match="no results of mlp on digits; run lth imp"):
        read_evidence([tmp_path], CLAIMS)


def test_a_table_that_the_experiment_does_not_declare_is_named(tmp_path):
    job(tmp_path / "a", 0, 1.5)
    with pytest.raises(LotteryError, match="lth imp declares no table signal"):
        read_evidence([tmp_path], CLAIMS, ["signal"])
