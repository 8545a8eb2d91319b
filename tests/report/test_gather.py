"""Results from many folders become one table, each training asked for once."""

import os
from dataclasses import replace

import pytest

from lth.core.errors import LotteryError
from lth.core.files import write_csv
from lth.core.seeds import Seeds
from lth.core.tables import Column, Table
from lth.report.gather import gather, machines, pairs_by_schedule, tables_of_jobs, unlike
from lth.report.rows import curve_rows
from lth.report.tables import CURVES, RESULTS
from lth.store.layout import row_files
from lth.store.runs import Store


def row(seed, level=0, arm="ticket", draw=0, **more):
    return {
        **dict.fromkeys(RESULTS),
        "experiment": "imp",
        "setting": "one",
        "data": "mnist",
        "model": "lenet",
        "seed": seed,
        "level": level,
        "arm": arm,
        "draw": draw,
        "status": "done",
        "density": 0.8**level,
        "weights_left": 1000 - level,
        "rewind": 0,
        "schedule": "iterative",
        "early_stop_iteration": 300,
        "early_stop_censored": False,
        "final_test_accuracy": 0.9,
        "iterations": 1000,
        "run": f"run{seed}{level}{arm}{draw}",
        **more,
    }


def job(folder, rows, age=0, curves=()):
    write_csv(folder / "results.csv", RESULTS, rows)
    if curves:
        write_csv(folder / "curves.csv", CURVES, curves)
    os.utime(folder / "results.csv", (1_000_000 - age, 1_000_000 - age))
    return folder


def test_values_come_back_as_they_were_written(tmp_path):
    rows = [row(3, early_stop_censored=True, final_train_accuracy=0.1 + 0.2)]
    job(tmp_path, rows)
    assert gather([tmp_path]).rows == rows


def test_two_folders_of_different_shape_give_one_table(tmp_path):
    sweep, single = tmp_path / "outputs", tmp_path / "elsewhere"
    job(sweep / "imp" / "now" / "0", [row(0)])
    job(sweep / "imp" / "now" / "1", [row(1), row(1, level=1)])
    job(single, [row(2, arm="shuffle", level=1), row(2), row(2, level=1)])
    job(sweep / "store" / "x", [row(7)])
    found = gather([sweep, single])
    assert [(x["seed"], x["level"], x["arm"]) for x in found.rows] == [
        (0, 0, "ticket"), (1, 0, "ticket"), (1, 1, "ticket"), (2, 0, "ticket"), (2, 1, "ticket"), (2, 1, "shuffle"),
    ]  # fmt: skip
    assert len(found.folders) == 3 and found.repeats == 0


def test_of_repeats_the_later_file_counts(tmp_path):
    job(tmp_path / "b", [row(0, final_test_accuracy=0.1), row(0, level=1)], age=50)
    job(tmp_path / "a", [row(0, final_test_accuracy=0.2, run="other")], age=10)
    found = gather([tmp_path, tmp_path / "a"])  # a folder given twice is read once
    assert [x["final_test_accuracy"] for x in found.rows] == [0.2, 0.9]
    assert (found.repeats, found.changed) == (1, 1)


def test_of_a_measurement_that_two_jobs_have_the_later_counts_and_others_of_both_are_kept(tmp_path):
    probes = Table("probes", (Column("level", int), Column("barrier", float)), key=("level",))
    untold = replace(probes, name="untold", key=())
    for name, age, levels in (("first", 50, (1, 2)), ("second", 10, (2, 3))):
        folder = job(tmp_path / name, [row(0, level=level) for level in levels], age)
        measured = [{"level": level, "barrier": float(age)} for level in levels]
        for table in (probes, untold):
            write_csv(table.path(folder), table.names, measured)
    tables = tables_of_jobs(gather([tmp_path]), [probes, untold])
    assert [(x["level"], x["barrier"]) for x in tables["probes"]] == [(1, 50.0), (2, 10.0), (3, 10.0)]
    assert [x["level"] for x in tables["untold"]] == [2, 3]


@pytest.mark.parametrize(("column", "other"), [("torch", "2.7"), ("processor", "H100"), ("threads", 2)])
def test_a_training_on_another_machine_is_another_training(tmp_path, column, other):
    here = {"torch": "2.6", "processor": "EPYC", "threads": 1}
    job(tmp_path / "b", [row(0, **here)], age=50)
    job(tmp_path / "a", [row(0, **here | {column: other})], age=10)
    assert gather([tmp_path]).changed == 1
    job(tmp_path / "a", [row(0)], age=10)  # older results do not say
    assert gather([tmp_path]).changed == 0


def test_what_differs_between_machines_is_said_in_one_line():
    here = {"torch": "2.6", "processor": "EPYC", "threads": 1}
    rows = [row(seed, **here) for seed in range(3)]
    assert machines(rows) == machines([*rows, row(3)]) == ""
    line = machines([*rows, row(3, **here | {"torch": "2.7", "processor": "H100"})])
    assert line.startswith("one averages over trainings on different machines (processor EPYC, H100; torch 2.6, 2.7)")


def test_rows_of_one_setting_on_other_data_are_said_in_one_line():
    rows = [row(seed, data_digest="aa", seed_split=0) for seed in range(3)]
    assert unlike(rows) == unlike([*rows, row(3)]) == []
    assert unlike([*rows, row(3, data_digest="bb", seed_split=3)]) == []  # another split is other data
    assert unlike([*rows, row(3, data_digest="bb", seed_split=0, seed_noise=3)]) == []  # and so is other noise
    (line,) = unlike([*rows, row(3, data_digest="bb", seed_split=0)])
    assert line.startswith("one averages over trainings on different data (data_digest aa, bb)")


def test_a_merged_table_counts_only_where_no_job_is_left(tmp_path):
    job(tmp_path, [row(0), row(5)])
    (tmp_path / "summary.csv").write_text("")
    assert [x["seed"] for x in gather([tmp_path]).rows] == [0, 5]
    job(tmp_path / "0", [row(0)], age=100)
    assert [x["seed"] for x in gather([tmp_path]).rows] == [0]


def test_curves_lie_under_the_runs_that_are_kept(tmp_path):
    point = {"run": "run00ticket0", "iteration": 100, "val_loss": 0.5}
    job(tmp_path / "a", [row(0)], curves=[point, {"run": "gone", "iteration": 0}])
    job(tmp_path / "b", [row(0)], curves=[point])
    assert gather([tmp_path]).curves == {"run00ticket0": [{**dict.fromkeys(CURVES), **point}]}


def test_settings_are_kept_apart(tmp_path):
    job(tmp_path, [row(0), row(0, setting="two"), row(1)])
    found = gather([tmp_path]).settings()
    assert {setting: len(rows) for setting, rows in found.items()} == {"one": 2, "two": 1}


def shot(seed, **more):
    return row(seed, setting="shot", schedule="one_shot", **more)


def test_settings_that_differ_in_schedule_are_paired_by_their_dense_training(tmp_path):
    other = row(0, setting="rate", run="another recipe")
    job(tmp_path, [row(0), shot(0), other, row(0, level=1), shot(0, level=1)])
    assert pairs_by_schedule(gather([tmp_path])) == [("one", "shot")]


def test_settings_without_a_common_seed_are_paired_where_that_leaves_no_choice(tmp_path):
    job(tmp_path / "a", [row(0), shot(1)])
    assert pairs_by_schedule(gather([tmp_path])) == [("one", "shot")]
    job(tmp_path / "b", [row(2, setting="rate")])
    assert pairs_by_schedule(gather([tmp_path])) == []


def test_settings_of_other_data_lengths_or_densities_are_not_paired(tmp_path):
    job(tmp_path / "a", [row(0), shot(0, iterations=500)])
    job(tmp_path / "b", [row(0, level=1), shot(0, iterations=1000, level=1, weights_left=5)])
    assert pairs_by_schedule(gather([tmp_path / "a"])) == []
    assert pairs_by_schedule(gather([tmp_path / "b", job(tmp_path / "c", [row(0), shot(0)])])) == []


HEAD, WIDTH = ",".join(RESULTS), len(RESULTS.names)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"experiment,seed\nimp,0\n", "has no column setting"),
        (f"{HEAD}\nimp,a\n".encode(), "line 2: has 2 cells where the head of the table has"),
        (
            f"{HEAD}\nimp,a{',' * (WIDTH - 2)}\n".encode(),
            "line 2: seed, level, arm, draw, status, density, schedule is",
        ),
        (f"{HEAD}\nimp,a,,,zero{',' * (WIDTH - 5)}\n".encode(), "line 2: seed=zero: is no whole number"),
        (b"\xff\xfe\x00", "is not a CSV table"),
        (b"", "has no column experiment"),
    ],
)
def test_a_file_that_is_no_table_of_results_is_named(tmp_path, content, problem):
    path = tmp_path / "0" / "results.csv"
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(LotteryError) as raised:
        gather([tmp_path])
    told = str(raised.value)
    assert told.startswith(str(path)) and problem in told


def test_a_bad_curve_is_named(tmp_path):
    job(tmp_path, [row(0)])
    (tmp_path / "curves.csv").write_text("run\n")
    with pytest.raises(LotteryError, match=r"curves\.csv: has no column iteration"):
        gather([tmp_path])


def test_places_without_results_are_named(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(LotteryError, match=r"no results in .*empty"):
        gather([tmp_path / "empty"])
    with pytest.raises(LotteryError, match=r"nowhere: there is no such folder"):
        gather([tmp_path / "nowhere"])


@pytest.fixture
def keep(tmp_path, make_job):
    """Trains three iterations for a row and keeps both in the store; the row with its run, and the run's folder."""
    store = Store(tmp_path / "store")

    def keep(asked):
        trace = store.train(make_job(iterations=3, seeds=Seeds(order=asked["seed"]).resolved()))
        found = asked | {"run": trace.run}
        store.keep_row(found)
        return found, store.path(trace.run), trace

    return keep


def test_a_store_tells_what_its_jobs_folders_told(tmp_path, keep):
    asked = [row(0, final_test_accuracy=0.1 + 0.2), row(1, status="diverged", early_stop_iteration=None)]
    kept = [keep(each) for each in asked]
    curves = [point for _, _, trace in kept for point in curve_rows(trace)]
    job(tmp_path / "imp", [found for found, _, _ in kept], curves=curves)
    store, folders = gather([tmp_path / "store"]), gather([tmp_path / "imp"])
    assert [RESULTS.columns_of(x) for x in store.rows] == folders.rows and len(store.rows) == 2
    assert store.curves == folders.curves and all(store.curves.values())
    assert store.folders == [tmp_path / "store"]
    assert gather([tmp_path / "store", tmp_path / "imp"]).repeats == 2


def test_a_row_answers_whatever_became_of_its_run(tmp_path, keep, caplog):
    kept = [keep(row(seed)) for seed in range(3)]
    folders = [folder for _, folder, _ in kept]
    folders[0].rename(folders[0].with_name(f"{folders[0].name}.damaged-1"))
    (folders[1] / "run.json").write_text("{}")
    gathered = gather([tmp_path / "store"])
    assert [x["seed"] for x in gathered.rows] == [0, 1, 2]
    assert gathered.curves.keys() == {kept[2][0]["run"]}
    (line,) = caplog.messages  # of the one that is damaged
    assert str(folders[1]) in line and line.endswith("its curve is left out")


@pytest.mark.parametrize("content", ["{", "[]", '{"seed": 0}', '{"body": {"seed": 0}, "checksum": ""}'])
def test_a_kept_row_that_is_none_is_named_and_left_out(tmp_path, keep, caplog, content):
    for seed in range(2):
        keep(row(seed))
    first = next(path for path in row_files(tmp_path / "store") if "seed0" in path.name)
    first.write_text(content)
    assert [x["seed"] for x in gather([tmp_path / "store"]).rows] == [1]
    (line,) = caplog.messages
    assert line.startswith(f"{first}: is not a row of results") and line.endswith("this row is left out")
