"""What a job leaves behind: every row, once, however it ends; and what it says at its end."""

import csv
import logging
import re
from dataclasses import replace
from types import SimpleNamespace

import pytest
from torch import nn

from lth.core.tables import Column, Table
from lth.lottery.ticket import Ticket
from lth.report.facts import parameters_fact
from lth.report.figures.drawing import Drawing, Sketch
from lth.report.results import Results
from lth.report.sheet import Sheet
from lth.report.statistics import percent
from lth.report.tables import RESULTS
from lth.store.layout import row_files
from lth.store.rows import read_row

NORMS = Table("norms", (Column("level", int), Column("arm", str), Column("norm", float)), key=("level", "arm"))
SHEETS = [Sheet("On the terminal", ["n"], [["17"]]), Sheet("On the page alone", ["n"], [["18"]])]


class OfTheUsers(nn.Linear):
    """A network whose code may draw from any generator."""


def read(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def test_a_trained_arm_is_a_row_of_each_table_and_a_row_in_the_store(make_recorder, make_outcome, tmp_path):
    with make_recorder() as recorder:
        row = recorder.add(make_outcome(), {"schedule": "one_shot"})
        recorder.finish({})
    (written,) = read(tmp_path / "job" / "results.csv")
    assert written["run"] == row["run"] and written["schedule"] == "one_shot" and written["experiment"] == "made_up"
    assert [layer["layer"] for layer in read(tmp_path / "job" / "layers.csv")] == ["fc1", "fc2", "output"]
    assert {point["run"] for point in read(tmp_path / "job" / "curves.csv")} == {row["run"]}
    (kept,) = row_files(recorder.store.folder)
    assert read_row(kept) == RESULTS.columns_of(row)


@pytest.mark.parametrize("network", [nn.Linear(2, 2), OfTheUsers(2, 2)], ids=["torch's", "the user's"])
def test_wandb_begins_beside_a_training_that_draws_nothing_in_python(make_recorder, make_job, network):
    begun, spec = [], replace(make_job(), model=network)
    with make_recorder() as recorder:
        recorder.wandb = SimpleNamespace(begin=lambda: begun.append(1), stop=lambda: None)
        follow = recorder.training(spec)
        assert not begun
        follow(25)
    assert bool(begun) == (type(network) is nn.Linear)


def test_two_arms_that_are_one_training_give_one_curve_and_a_warning(make_recorder, make_outcome, caplog):
    ticket, twin = make_outcome(), make_outcome("restart")
    twin.result.run = ticket.result.run
    with make_recorder() as recorder:
        recorder.add(ticket, {})
        count = len(recorder.rows("curves"))
        recorder.add(ticket, {"setting": "another"})  # the dense network of another setting
        recorder.add(twin, {})
    assert [len(recorder.rows(name)) for name in ("results", "layers", "curves")] == [3, 6, count]
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING] == [
        "level 0: ticket and restart are one training here"
    ]


def test_an_experiments_own_arm_may_share_a_training_without_a_warning(make_recorder, make_outcome, caplog):
    ticket, own = make_outcome(), make_outcome("weight_noise")
    own.result.run = ticket.result.run
    with make_recorder() as recorder:
        recorder.add(ticket, {})
        recorder.add(own, {})
    assert not caplog.records


def test_rows_of_the_experiments_own_tables_are_complete_and_declared(make_recorder, tmp_path):
    with make_recorder(tables=(NORMS,)) as recorder:
        recorder.add_row("norms", {"level": 0, "norm": 0.1 + 0.2})
        with pytest.raises(KeyError, match="the table norms declares no column nrom"):
            recorder.add_row("norms", {"level": 0, "nrom": 1.0})
        with pytest.raises(KeyError, match="made_up declares no table morms"):
            recorder.add_row("morms", {"level": 0})
        recorder.finish({})
    assert recorder.rows("norms") == NORMS.read(tmp_path / "job" / "norms.csv") == [NORMS.row(level=0, norm=0.1 + 0.2)]


def test_a_table_declared_later_takes_the_place_of_one_with_its_name(make_recorder, tmp_path):
    with make_recorder(tables=(NORMS,)) as recorder:
        recorder.declare([NORMS.plus(Column("spread", float))])
        recorder.add_row("norms", {"level": 0, "spread": 2.0})
        recorder.finish({})
    assert list(read(tmp_path / "job" / "norms.csv")[0]) == ["level", "arm", "norm", "spread"]


def test_a_table_without_rows_is_written_unless_it_is_not_always_there(make_recorder, make_outcome, tmp_path):
    rare = Table("rare", (Column("level", int),), always=False)
    with make_recorder(tables=(NORMS, rare)) as recorder:
        recorder.add(make_outcome(), {})
        recorder.finish({})
    assert (tmp_path / "job" / "norms.csv").read_text().split() == ["level,arm,norm"]
    assert not (tmp_path / "job" / "rare.csv").exists()


@pytest.mark.parametrize("trained", [True, False])
def test_tables_are_written_as_far_as_they_go_when_the_run_raises(make_recorder, make_outcome, tmp_path, trained):
    with pytest.raises(RuntimeError, match="out of memory"), make_recorder(tables=(NORMS,)) as recorder:
        if trained:
            recorder.add(make_outcome(), {})
            recorder.add(make_outcome(level=1), {})
        recorder.add_row("norms", {"level": 1, "norm": 2.0})
        raise RuntimeError("out of memory")
    assert [row["level"] for row in read(tmp_path / "job" / "norms.csv")] == ["1"]
    assert (tmp_path / "job" / "results.csv").exists() is trained
    if trained:
        assert [row["level"] for row in read(tmp_path / "job" / "results.csv")] == ["0", "1"]
    assert not (tmp_path / "job" / "report.html").exists()


def test_a_level_that_is_over_is_on_disk_before_the_next_ends(make_recorder, make_outcome, tmp_path):
    with make_recorder() as recorder:
        recorder.add(make_outcome(), {})
        assert not (tmp_path / "job" / "results.csv").exists()
        recorder.add(make_outcome(level=1), {})
        assert [row["level"] for row in read(tmp_path / "job" / "results.csv")] == ["0"]
        assert len(read(tmp_path / "job" / "layers.csv")) == 3


def test_a_row_is_on_disk_soon_after_it_comes(make_recorder, tmp_path, monkeypatch):
    with make_recorder(tables=(NORMS,)) as recorder:
        recorder.add_row("norms", {"level": 0, "norm": 1.0})
        monkeypatch.setattr("lth.report.recorder.WRITE_SECONDS", 0.0)
        recorder.add_row("norms", {"level": 1, "norm": 2.0})
        assert [row["level"] for row in read(tmp_path / "job" / "norms.csv")] == ["0", "1"]


def test_a_run_that_raises_before_its_first_row_leaves_nothing(make_recorder, tmp_path):
    with pytest.raises(ValueError), make_recorder(tables=(NORMS,)):
        raise ValueError
    assert not (tmp_path / "job").exists()


def shown_results(results: Results) -> list[str]:
    """An answer that quotes what it is given."""
    return [f"[{len(results['results'])}] rows, {results.examples['test']} examples.", f"Then: {results.command}"]


def test_wandb_begins_where_there_is_a_new_training_or_a_new_row_and_not_for_the_same_command_again(
    make_recorder, make_outcome
):
    outcome, begun = make_outcome(), []
    for about in ({}, {}, {"setting": "another"}):  # of another setting, whose training is found in the store
        with make_recorder() as recorder:
            begins: list[bool] = []
            recorder.wandb = SimpleNamespace(start=lambda new, to=begins: to.append(new), stop=lambda: None)
            recorder.add(outcome, about)
        begun.append(any(begins))
    assert begun == [True, False, True]


def test_the_end_prints_the_first_sheet_the_answer_and_what_was_done(
    make_recorder, make_outcome, tmp_path, capsys, monkeypatch
):
    monkeypatch.setenv("COLUMNS", "80")
    ticket = make_outcome()
    made = Ticket(ticket.spec.mask, ticket.spec.initial_state, 0, {"seed": 0})
    with make_recorder(answer=shown_results, sheets=lambda _: SHEETS) as recorder:
        recorder.store.trained.add(recorder.add(ticket, {})["run"])
        recorder.add(make_outcome(level=1), {})
        recorder.finish({"ticket": made, "second": made}, {"test": 37})
    text = capsys.readouterr().out
    assert "On the terminal" in text and "On the page alone" not in text
    assert "[2] rows, 37 examples." in text and "Then: lth made_up -m seed=0,1\n" in text
    assert re.search(r"\n1 trained, 1 found in the store, \d+ s\. Results, figures and report\.html: (.*)\n", text)[
        1
    ] == str(tmp_path / "job")
    page = (tmp_path / "job" / "report.html").read_text()
    assert all(part in page for part in ("[2] rows", "On the terminal", "On the page alone", "1 trained, 1 found"))
    assert "experiment: made_up" in page and f"{percent(1.0)}%" in page
    assert {path.name for path in (tmp_path / "job").glob("*.safetensors")} == {
        "ticket.safetensors",
        "second.safetensors",
    }


def test_a_long_answer_is_broken_between_words_and_a_command_never(make_recorder, make_outcome, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    words = "The ticket is more accurate than each of its controls at every density."
    command = "lth made_up -m seed=0,1"
    with make_recorder(answer=lambda _: [words, f"For a verdict on these networks run: {command}"]) as recorder:
        recorder.add(make_outcome(), {})
        recorder.finish({})
    lines = capsys.readouterr().out.splitlines()
    assert "The ticket is more accurate than each of" in [line.rstrip() for line in lines]
    assert f"For a verdict on these networks run: {command}" in lines


def test_a_job_of_a_sweep_says_one_line(make_recorder, make_outcome, tmp_path, capsys, caplog):
    caplog.set_level(logging.INFO)
    with make_recorder(job=3, sheets=lambda _: SHEETS) as recorder:
        recorder.add(make_outcome(), {})
        recorder.finish({})
    assert capsys.readouterr().out == ""
    (record,) = caplog.records
    assert re.sub(r"\d+ s\.", "9 s.", record.getMessage()) == (
        f"seed 0, iterative: 0 trained, 1 found in the store, 9 s. {tmp_path / 'job'}"
    )
    assert (tmp_path / "job" / "report.html").exists()


def test_figures_are_drawn_from_all_tables_and_stand_on_the_page(make_recorder, make_outcome, tmp_path):
    def norms(results: Results) -> Sketch | None:
        from matplotlib.figure import Figure

        figure = Figure()
        figure.subplots().plot([row["norm"] for row in results["norms"]])
        return Sketch("norms", "Norms", f"Of {len(results['results'])} trainings.", "A line.", figure)

    figures = (Drawing("norms", norms), Drawing("nothing", lambda results: None))
    with make_recorder(tables=(NORMS,), figures=figures) as recorder:
        recorder.add(make_outcome(), {})
        recorder.add_row("norms", {"level": 0, "norm": 1.0})
        recorder.finish({})
    assert {path.name for path in (tmp_path / "job" / "figures").iterdir()} == {"norms.png", "norms.pdf"}
    page = (tmp_path / "job" / "report.html").read_text()
    assert "Of 1 trainings." in page and 'alt="A line."' in page


def test_an_experiment_without_trainings_has_a_page_too(make_recorder, tmp_path, capsys):
    with make_recorder(tables=(NORMS,)) as recorder:
        recorder.add_row("norms", {"level": 0, "norm": 1.0})
        recorder.finish({})
    assert {path.name for path in (tmp_path / "job").iterdir()} == {"norms.csv", "digests.txt", "report.html"}
    assert "made_up" in (tmp_path / "job" / "report.html").read_text() and "trained" not in capsys.readouterr().out


def test_a_job_that_measured_nothing_leaves_nothing(make_recorder, tmp_path, capsys):
    with make_recorder(tables=(NORMS,)) as recorder:
        recorder.finish({})
    assert not (tmp_path / "job").exists() and capsys.readouterr().out == ""


@pytest.mark.parametrize(("prunable", "total"), [(266_200, 266_610), (61_470, 61_706), (50_000, 100_000_007)])
def test_the_page_says_how_many_of_all_parameters_are_prunable(prunable, total):
    rows = []
    for kept in (prunable, prunable - 1, prunable // 3 + 1):
        values = {"arm": "ticket", "weights_left": kept, "density": kept / prunable}
        rows.append(values | {"parameter_density": (total - prunable + kept) / total})
    assert parameters_fact(rows) == parameters_fact(rows[::2]) == f"{prunable:,} prunable of {total:,} parameters"
    assert parameters_fact(rows[1:]) == parameters_fact(rows)  # the first row may be of a pruned network
    assert parameters_fact(rows[:1]) == f"{prunable:,} prunable weights"
    older = [row | {"parameter_density": None} for row in rows]
    assert parameters_fact(older) == f"{prunable:,} prunable weights"
