"""What tickets are worth over seeds, from made-up tables of jobs with known answers."""

import pytest
from lth.experiments.deploy.comparison import worth_rows, worth_sheet
from lth.experiments.deploy.jobs import jobs_by_setting
from lth.experiments.deploy.tables import COST, GRID, TICKETS

from lth.core.files import write_csv
from lth.report.gather import gather
from lth.report.tables import RESULTS
from lth.reporting import report

BYTES = {"dense": 1000, "masked": 1000, "csr": 250, "shrunk": None}
SPEED = {"dense": 1.0, "masked": 1.4, "csr": 2.0, "shrunk": None}


def job(folder, seed, accuracy, setting="s", spoilt=1.0):
    """A job's folder: a dense network at 90%, a ticket of weights at `accuracy`, masked and in csr, never shrunk."""
    about = {"experiment": "deploy", "setting": setting, "data": "mnist", "model": "lenet5", "seed": seed, "draw": 0}
    about |= {"arm": "ticket", "schedule": "iterative", "status": "done", "iterations": 10, "rewind": 0, "seconds": 2.0}
    results, tickets, costs, grid = [], [], [], []
    for kind, level, density, test in (("dense", 0, 1.0, 0.9), ("weights", 1, 0.25, accuracy)):
        place = {"kind": kind, "level": level, "run": f"{setting}{seed}{level}", "density": density}
        results.append(dict.fromkeys(RESULTS) | about | place | {"final_test_accuracy": test, "weights_left": 4})
        results[-1] |= {"test_examples": 10**8, "chance": 0.5}
        search = {f"search_{what}": level * 10 for what in ("trainings", "iterations", "epochs", "flops", "seconds")}
        tickets.append(dict.fromkeys(TICKETS) | place | search | {"test_accuracy": test})
        for form in ("dense",) if level == 0 else ("dense", "masked", "csr", "shrunk"):
            row = dict.fromkeys(COST) | place | {"form": form}
            if BYTES[form]:
                row |= {"runs_as": form, "bytes": BYTES[form], "gzip_bytes": BYTES[form]}
                row |= {f"batch_{size}_speedup": SPEED[form] * spoilt for size in (1, 64)}
                found = 0.9 if form == "dense" else test
                row |= {"test_accuracy": found, "validation_accuracy": found, "test_accuracy_change": found - 0.9}
            costs.append(row)
        grid += [place | {"bits": bits, "nonzero": 4, "test_accuracy": test} for bits in (32, 4)]
    for name, columns, rows in (
        ("results", RESULTS, results),
        ("tickets", TICKETS, tickets),
        ("cost", COST, costs),
        ("grid", GRID, grid),
    ):
        write_csv(folder / f"{name}.csv", columns, [{column: row[column] for column in columns} for row in rows])


def test_a_row_a_form_with_intervals_over_seeds(tmp_path):
    for seed, accuracy in enumerate((0.88, 0.90, 0.92)):
        job(tmp_path / str(seed), seed, accuracy)
    (jobs,) = jobs_by_setting(gather([tmp_path]))
    rows = {(row["kind"], row["form"]): row for row in worth_rows(jobs)}
    assert list(rows) == [("dense", "dense"), ("weights", "masked"), ("weights", "csr")]
    csr, masked = rows["weights", "csr"], rows["weights", "masked"]
    half = 4.30265 * 0.02 / 3**0.5  # t(0.975, 2) s / sqrt(n)
    assert (csr["n"], csr["density"], csr["search_epochs"]) == (3, 0.25, 10)
    assert (csr["test_accuracy_mean"], csr["test_accuracy_high"]) == pytest.approx((0.9, 0.9 + half), rel=1e-5)
    assert csr["test_accuracy_change_mean"] == pytest.approx(0) and csr["test_accuracy_change_low"] < 0
    assert (csr["times_smaller_mean"], csr["batch_64_speedup_mean"]) == (4, 2)
    assert masked["batch_64_speedup_mean"] == 1  # its kernels are dense
    (_, ticket) = worth_sheet("", jobs, list(rows.values())).cells
    assert ticket[:7] == ["weights", "25.0", "3", "90.00 ±4.97", "+0.00 ±4.97", "4.0x csr", "2.00x csr"]


def test_ratios_are_averaged_as_logarithms(tmp_path):
    for seed, spoilt in enumerate((0.1, 1.0, 10.0)):
        job(tmp_path / str(seed), seed, 0.88, spoilt=spoilt)
    (jobs,) = jobs_by_setting(gather([tmp_path]))
    (csr,) = [row for row in worth_rows(jobs) if row["form"] == "csr"]
    assert csr["batch_64_speedup_mean"] == pytest.approx(2.0) and csr["batch_64_speedup_low"] > 0
    assert csr["batch_64_speedup_low"] * csr["batch_64_speedup_high"] == pytest.approx(4.0)


def test_failed_trainings_are_in_no_mean_and_are_named(tmp_path):
    for seed, accuracy in enumerate((0.88, 0.90, 0.5, 0.92)):
        job(tmp_path / str(seed), seed, accuracy)
    (jobs,) = jobs_by_setting(gather([tmp_path]))
    (csr,) = [row for row in worth_rows(jobs) if row["form"] == "csr"]
    assert csr["n"] == 3 and csr["test_accuracy_mean"] == pytest.approx(0.9)
    assert jobs.lost() == ["In no mean: weights at 25.0% 1 of 4 failed (1% to 81%)."]


def test_one_training_under_several_seeds_is_one(tmp_path):
    for seed in range(3):
        job(tmp_path / str(seed), seed, 0.88)
    jobs = jobs_by_setting(gather([tmp_path]))[0]
    for tables in jobs.seeds.values():
        for row in tables["cost"]:
            row["run"] = f"{row['level']}"
    (csr,) = [row for row in worth_rows(jobs) if row["form"] == "csr"]
    assert (csr["n"], csr["test_accuracy_low"]) == (1, None)


def test_the_test_set_bounds_what_equal_changes_say(tmp_path):
    for seed in range(3):
        job(tmp_path / str(seed), seed, 0.88)
    (jobs,) = jobs_by_setting(gather([tmp_path]))
    jobs.examples = 10_000
    (csr,) = [row for row in worth_rows(jobs) if row["form"] == "csr"]
    half = 1.959964 * ((0.88 * 0.12 + 0.9 * 0.1) / 10_000) ** 0.5
    assert csr["test_accuracy_change_high"] == pytest.approx(-0.02 + half, rel=1e-5)


def test_other_settings_are_compared_apart_and_the_later_job_of_a_seed_counts(tmp_path):
    job(tmp_path / "0", 0, 0.88)
    job(tmp_path / "1", 0, 0.88, spoilt=3.0)
    job(tmp_path / "2", 0, 0.88, setting="other")
    jobs = jobs_by_setting(gather([tmp_path]))
    assert [list(x.seeds) for x in jobs] == [[0], [0]]
    speeds = [x.seeds[0]["cost"][3]["batch_64_speedup"] for x in jobs]
    assert sorted(speeds) == [2.0, 6.0]


def test_the_report_says_it_first_and_draws_it(tmp_path, capsys):
    for seed, accuracy in enumerate((0.88, 0.90, 0.92)):
        job(tmp_path / str(seed), seed, accuracy)
    report([tmp_path])
    shown = " ".join(capsys.readouterr().out.split())
    assert (
        "the smallest file is csr of weights at 25.0%: 4.0 times smaller" in shown
        and "lenet5 on mnist, means over 3 seeds:" in shown
    )
    assert shown.index("Tickets of lenet5 on mnist") < shown.index("no verdict" if "no verdict" in shown else "3 seeds")
    assert {path.name for path in tmp_path.glob("worth.*")} == {"worth.csv", "worth.md", "worth.tex"}
    assert (tmp_path / "figures" / "worth.png").exists()
