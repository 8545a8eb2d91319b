"""`lth report` as its user meets it, on results that were written and not trained."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from lth.core.files import write_csv
from lth.report.gather import Gathered, gather
from lth.report.tables import CURVES, RESULTS
from lth.reporting import report, target
from tests.files import read_csv

OFF = (-0.0004, 0.0, 0.0004, 0.0002, -0.0002)


def rows_of(seed, **more):
    about = {"experiment": "imp", "setting": "one", "data": "mnist", "model": "lenet", "schedule": "iterative"}
    accuracy = {
        ("ticket", 0): 0.98,
        ("ticket", 1): 0.981,
        ("reinit", 1): 0.97,
        ("shuffle", 1): 0.96,
        ("ticket", 2): 0.9,
    }
    return [
        dict.fromkeys(RESULTS)
        | about
        | {"seed": seed, "level": level, "arm": arm, "draw": 0, "status": "done", "density": 0.5**level}
        | {
            "sparsity": 1 - 0.5**level,
            "weights_left": 1000 // 2**level,
            "rewind": 0,
            "run": f"{seed}{level}{arm}{more.get('setting', '')}",
        }
        | {
            "test_examples": 10**8,
            "early_stop_iteration": 3900 if level else 4000,
            "early_stop_censored": False,
            "early_stop_val_loss": 0.1,
        }
        | {"early_stop_test_accuracy": value + level * OFF[seed], "final_test_accuracy": value}
        | {"final_train_accuracy": 1.0, "final_val_loss": 0.2, "iterations": 10_000, "seconds": 1.0}
        | more
        for (arm, level), value in accuracy.items()
    ]


def write(folder, seeds, **more):
    for seed in seeds:
        rows = rows_of(seed, **more)
        write_csv(folder / str(seed) / "results.csv", RESULTS, rows)
        write_csv(
            folder / str(seed) / "curves.csv",
            CURVES,
            [
                {
                    "run": row["run"],
                    "iteration": at,
                    "val_loss": 1 / (1 + at),
                    "test_accuracy": 0.9,
                    "val_accuracy": 0.9,
                }
                for row in rows
                for at in (0, 5000, 10_000)
            ],
        )
    return folder


@pytest.fixture
def lth_report(in_process):
    """Runs `lth report` with some words in the test's folder: what it printed, and its error (None: none)."""
    return in_process("report", columns=160)


def test_one_sweep_is_reported_in_its_own_folder_and_again(tmp_path, lth_report):
    folder = write(tmp_path / "outputs" / "imp" / "now", range(5))
    shown, error = lth_report(folder)
    assert error is None
    assert "mnist, lenet, iterative (one): 5 seeds" in shown
    assert "smallest density with a matching ticket is 50.0%" in shown
    assert "smallest density with a winning ticket is 50.0%" in shown and "corrected for the number" in shown
    names = [f"{name}.{ending}" for name in ("differences", "summary") for ending in ("csv", "md", "tex")]
    assert {"results.csv", *names} <= {path.name for path in folder.iterdir()}
    assert len(read_csv(folder / "results.csv")) == 25 and list((folder / "figures").glob("*.png"))
    verdicts = {row["level"]: row["verdict"] for row in read_csv(folder / "summary.csv") if row["arm"] == "ticket"}
    assert verdicts == {"0": "", "1": "winning", "2": "not winning"}
    written = {name: (folder / name).read_bytes() for name in ["results.csv", *names]}
    assert lth_report(folder) == (shown, None)  # the merged table is not gathered
    assert written == {name: (folder / name).read_bytes() for name in written}


def test_folders_of_different_launchers_give_one_table(tmp_path, lth_report):
    first, second = (
        write(tmp_path / "outputs" / "imp" / "a", range(3)),
        write(tmp_path / "slurm" / "x" / "b", (2, 3, 4)),
    )
    shown, _ = lth_report(first, second, "--bars", "minmax")
    assert "5 seeds" in shown and "5 rows were found more than once" in shown and "another training" not in shown
    assert "mean [lowest, highest] over seeds" in shown
    assert len(read_csv(tmp_path / "outputs" / "report" / "results.csv")) == 25


def test_margins_are_words_of_the_command_line(tmp_path, lth_report):
    """The ticket of level 2 is 8 points less accurate than dense."""
    folder = write(tmp_path / "outputs" / "imp" / "now", range(5))
    shown, error = lth_report(folder, "report.margin=9", "report.slower=0.5")
    words = " ".join(shown.split())
    assert error is None and "smallest density with a matching ticket is 25.0%" in words
    assert "(within 9 points, 0.5 times)" in words and "at no density is the ticket found to be winning" in words
    summary = (folder / "summary.csv").read_text().splitlines()[2]
    assert ",9.0,0.5," in summary and ",not winning," in summary


@pytest.mark.parametrize(
    ("word", "problem"),
    [
        (
            "report.margn=1",
            "report.margn=1: is no setting of lth report; did you mean report.margin?",
        ),
        ("report.margin=wide", "report.margin=wide: must be a number"),
        ("report.margin=-1", "report.margin=-1.0: must be at least 0 and at most 100"),
    ],
)
def test_a_mistaken_margin_is_an_error_in_a_line(tmp_path, lth_report, word, problem):
    shown, error = lth_report(write(tmp_path / "now", range(1)), word)
    assert not shown and error.startswith(problem)


def test_two_seeds_get_no_verdict_and_settings_are_apart(tmp_path, lth_report):
    write(tmp_path / "outputs" / "a", range(2))
    write(tmp_path / "outputs" / "b", range(2), setting="two", schedule="one_shot")
    shown, _ = lth_report("--to", "there")
    assert shown.count("2 seeds, no verdict: that takes 3 distinct trainings.") == 2 and "one_shot (two)" in shown
    assert {row["verdict"] for row in read_csv(tmp_path / "there" / "summary.csv")} == {"", "undecided"}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "outputs: there is no such folder"),
        (("empty",), "no results in empty"),
        (("a", "--to", "a/0"), "a/0: holds a results.csv that no report has written; name another folder with --to"),
        (("a", "--to", "file/x"), "cannot write file/x/summary.csv: Not a directory"),
    ],
)
def test_a_mistake_is_one_line(tmp_path, lth_report, words, told):
    write(tmp_path / "a", range(1))
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    assert lth_report(*words) == ("", told)


def test_help_needs_no_torch(tmp_path):
    code = "import sys\nsys.argv = ['lth', 'report', '--help']\nfrom lth.cli import main\ntry: main()\n"
    code += "except SystemExit: pass\nassert 'torch' not in sys.modules and 'matplotlib' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "--bars" in done.stdout


def test_where_a_report_goes(tmp_path):
    folder = write(tmp_path / "now", range(2))
    assert target([folder], gather([folder])) == folder
    assert target([tmp_path], gather([tmp_path])) == tmp_path / "report"
    assert target([folder / "0"], gather([folder / "0"])) == folder / "0" / "report"
    assert str(target([folder, tmp_path], gather([folder]))) == "outputs/report"


def test_several_studies_have_a_page_above_theirs_with_the_figure_across_them(tmp_path, lth_report):
    outputs = tmp_path / "outputs"
    for model in ("conv2", "conv4", "lenet"):
        write(outputs / model, range(3), model=model, setting=f"id-{model}", data="cifar10")
    write(
        outputs / "trial",
        range(1),
        model="conv2",
        setting="trial",
        data="cifar10",
        iterations=4,
        early_stop_iteration=4,
    )
    shown, error = lth_report()
    report = tmp_path / "outputs" / "report"
    assert error is None and "Figure 5 shows the one trained longest, id-conv2" in shown
    page = (report / "report.html").read_text(encoding="utf-8")
    links = re.findall(r'<a href="([^"]+)">([^<]+)</a>', page)
    assert sorted(links) == [
        ("id-conv2/report.html", "conv2 on cifar10"),
        ("id-conv4/report.html", "conv4 on cifar10"),
        ("id-lenet/report.html", "lenet on cifar10"),
        ("trial/report.html", "conv2 on cifar10"),
    ]
    assert all((report / address).is_file() for address, _ in links)
    assert {path.name for path in (report / "figures").iterdir()} == {"frankle2019_fig5.png", "frankle2019_fig5.pdf"}
    assert page.count("<img ") == 1 and "Networks side by side: conv2 and conv4 on cifar10</h2>" in page
    assert page.count("smallest density with a winning ticket is 50.0%") == 3 and "corrected for the number" in page
    assert "://" not in page and not re.search(r"<script|@import|url\(", page)


def test_one_study_has_its_page_in_the_top_folder(tmp_path, lth_report):
    folder = write(tmp_path / "outputs" / "imp" / "now", range(3), model="conv2")
    lth_report(folder)
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "<a href" not in page and "Test accuracy at early stop (%)" in page and "1 study" not in page
    assert len(list(folder.rglob("frankle2019_fig5.png"))) == 1 and not list(folder.rglob("frankle2019_fig4*"))


def test_a_narrow_terminal_shows_every_verdict_whole(tmp_path, lth_report, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "now", range(5))
    shown, _ = lth_report("now")
    assert "not winning" in shown and "…" not in shown
    assert max(map(len, shown.splitlines()[:-1])) <= 80  # the last names a folder, to be copied
    assert "winning: no seed's ticket failed" in shown and "undecided: the 95%" not in shown  # words that occur


def test_what_diverged_has_a_star_on_the_terminal(tmp_path, lth_report):
    write(tmp_path / "now", range(2))
    lost = [row | {"status": "diverged"} for row in rows_of(2)]
    for row in lost:
        row |= {key: None for key in row if key.startswith(("early_stop", "final"))}
    write_csv(tmp_path / "now" / "2" / "results.csv", RESULTS, lost)
    shown, _ = lth_report(tmp_path / "now")
    assert "2*" in shown and "*: some trainings failed; summary.csv has the failure rates." in shown
    summary = (tmp_path / "now" / "summary.md").read_text()
    assert "| 2 (1 of 3 failed (1% to 91%)) |" in summary and "*" not in summary


REFERENCES = Path(__file__).parents[2] / "outputs" / "reference"


@pytest.mark.skipif(not REFERENCES.exists(), reason="a source distribution has no references")
@pytest.mark.parametrize(
    ("paper", "table", "columns"), [("frankle2019", "summary", None), ("frankle2021", "methods", 6)]
)
def test_the_committed_tables_come_out_of_the_committed_results(tmp_path, monkeypatch, capsys, paper, table, columns):
    """Of methods, the columns up to what the search took, which results.csv does not say."""
    monkeypatch.setattr("lth.reporting.draw", lambda *_: [])
    report([REFERENCES / paper], to=tmp_path)
    made, committed = (
        [line.split("|")[: columns and columns + 1] for line in (folder / f"{table}.md").read_text().splitlines()]
        for folder in (tmp_path, REFERENCES / paper)
    )
    assert made == committed and len(made) > 20
    capsys.readouterr()


def test_a_report_of_a_store_lies_beside_it_and_one_of_a_job_within(tmp_path):
    found = Gathered([], {}, [tmp_path / "store"])
    assert target([tmp_path / "store"], found) == tmp_path / "report"
    write(tmp_path / "sweep", range(1))
    assert target([tmp_path / "sweep" / "0"], gather([tmp_path / "sweep" / "0"])) == tmp_path / "sweep" / "0" / "report"
