"""`lth imp` end to end: what it leaves behind, what it finds again, and what a kill does to it."""

import contextlib
import os
import random
import re
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from lth.analysis.level_probes import LINES
from lth.analysis.probes import tables_of
from lth.core.errors import LotteryError
from lth.lottery.arms import ARMS
from lth.lottery.ticket import load_ticket
from lth.report.tables import CURVES, LAYERS, RESULTS
from tests.files import read_csv

TINY = ["scale=smoke", "probe_every=20"]


@pytest.fixture
def start(begin, tmp_path, prepared_mnist1d):
    """Starts `lth imp` in a folder of its own with the words given; the process."""
    return partial(begin, "imp", cwd=tmp_path, LTH_DATA=str(prepared_mnist1d))


@pytest.fixture
def imp(tmp_path, prepared_mnist1d, here):
    """Runs `lth imp` to its end in this process; its folder and what it printed."""
    return lambda *words, figures=False: here(tmp_path, prepared_mnist1d, "imp", *words, figures=figures)


def without_seconds(folder: Path) -> list[dict[str, str]]:
    return [{**row, "seconds": ""} for row in read_csv(folder / "results.csv")]


def kept_runs(tmp_path: Path) -> int:
    return len(list(tmp_path.glob("outputs/store/*/*/run.json")))


def test_what_an_experiment_leaves_behind(imp, tmp_path):
    arms = "arms=[ticket,reinit,shuffle,scratch,finetune,restart]"
    folder, shown = imp(*TINY, arms, "draws=2", "recipe.schedule=cosine", figures=True)
    results = read_csv(folder / "results.csv")
    assert list(results[0]) == RESULTS.names and len(results) == 3 + 2 * (3 * 2 + 2)
    assert list(read_csv(folder / "layers.csv")[0]) == LAYERS.names
    assert list(read_csv(folder / "curves.csv")[0]) == CURVES.names
    for row in results:
        left = int(row["weights_left"])
        assert float(row["density"]) == left / 43_000 and float(row["sparsity"]) == 1 - left / 43_000
        assert all(row[x.name] for x in RESULTS.columns if x.name != "early_stop_censored" and not x.added), row
    assert {row["level"]: row["weights_left"] for row in results} == {"0": "43000", "1": "34500", "2": "27690"}
    assert len({row["run"] for row in results}) == len(results) == kept_runs(tmp_path)
    assert {path.suffix for path in (folder / "figures").iterdir()} == {".png", ".pdf"}
    assert (folder / "report.html").exists()
    searched = [(row["search_trainings"], row["search_iterations"]) for row in read_csv(folder / "search.csv")]
    assert searched == [("0", "0"), ("1", "60"), ("2", "120")]
    assert "Finding the last ticket (64.4%) took 2 trainings" in " ".join(shown.split())
    assert "Search cost" in (folder / "report.html").read_text()
    about = load_ticket(folder / "ticket.safetensors").provenance  # enough to have its network and data again
    assert (about["model"]["name"], about["data"]["name"]) == ("lenet_300_100", "mnist1d")
    assert (
        "One seed gives no verdict. For five seeds run: lth imp -m scale=smoke" in shown and "seed=0,1,2,3,4" in shown
    )


def test_the_arms_whose_masks_or_networks_are_their_own(imp, tmp_path):
    arms = ("reinit_plus", "small_dense", "set", "rigl", "set_plus", "rigl_plus")
    folder, _ = imp(*TINY, f"arms=[ticket,{','.join(arms)}]", "arm_levels=[2]", "rewiring.every=5")
    results = [row for row in read_csv(folder / "results.csv") if row["level"] == "2"]
    left = {row["arm"]: int(row["weights_left"]) for row in results}
    assert list(left) == ["ticket", *sorted(arms, key=list(ARMS).index)]
    assert all(left[arm] == left["ticket"] for arm in arms if arm != "small_dense")
    assert abs(left["small_dense"] / left["ticket"] - 1) < 0.02
    assert len({row["run"] for row in results}) == len(results)
    ends = {tuple(float(row[key]) for key in ("final_test_accuracy", "final_val_loss")) for row in results}
    assert len(ends) == len(results)


def test_probes_change_no_training_and_leave_their_tables_and_a_figure(imp, tmp_path):
    words = [*TINY, "levels=1", "model=mlp", "model.widths=[8]", "arms=[ticket,reinit]", "draws=2", "line_examples=50"]
    without, _ = imp(*words)
    count = kept_runs(tmp_path)
    asked = "probes=[distance,interpolation,agreement,level_to_level]"
    folder, shown = imp(*words, asked, figures=True)
    assert "0 trained" in shown and kept_runs(tmp_path) == count
    for name in ("results.csv", "layers.csv", "curves.csv"):
        assert (folder / name).read_bytes() == (without / name).read_bytes()
    probes, lines = read_csv(folder / "probes.csv"), read_csv(folder / "lines.csv")
    columns = tables_of([])[0].names
    assert list(probes[0]) == columns and list(lines[0]) == LINES.names
    assert [row["run"] for row in probes] == [row["run"] for row in read_csv(folder / "results.csv")]
    of_ticket = [key for key in columns if key.endswith(("_to_previous", "_less_dense"))]
    assert all(bool(row[key]) != (key in of_ticket) for row in probes if row["arm"] == "reinit" for key in columns)
    assert [row["level"] for row in probes if all(row[key] for key in of_ticket)] == ["1"]
    assert "is linearly connected with that of the level before" in " ".join(shown.split())
    assert len(lines) == 3 * 58
    assert (folder / "figures" / "probes.png").exists()
    assert "Distance to the pruned solution" in (folder / "report.html").read_text()
    assert not (without / "probes.csv").exists() and not (without / "lines.csv").exists()


def test_the_same_command_again_trains_nothing_and_says_the_same(imp, tmp_path):
    first, _ = imp(*TINY)
    count = kept_runs(tmp_path)
    second, shown = imp(*TINY)
    assert "0 trained" in shown and kept_runs(tmp_path) == count
    for name in ("results.csv", "layers.csv", "curves.csv", "search.csv"):
        assert (first / name).read_bytes() == (second / name).read_bytes()


@pytest.mark.slow
def test_an_arm_or_a_level_more_trains_only_what_is_new(imp, tmp_path):
    imp(*TINY, "arms=[ticket,reinit]")
    for words, new in ((["arms=[ticket,reinit,shuffle]"], 2), (["arms=[ticket,reinit]", "levels=3"], 2)):
        before = kept_runs(tmp_path)
        _, shown = imp(*TINY, *words)
        assert f"{new} trained" in shown and kept_runs(tmp_path) == before + new


def written_since(began: float, tmp_path: Path) -> bool:
    """Whether a checkpoint in the store is younger than `began`."""
    with contextlib.suppress(FileNotFoundError):  # it may be replaced or removed at this moment
        return any(path.stat().st_mtime > began for path in tmp_path.glob("outputs/store/*/*/checkpoint*"))
    return False


@pytest.mark.slow
def test_killed_at_any_moment_the_same_command_gives_the_same_bits(imp, start, tmp_path):
    words = [*TINY, "recipe.iterations=1500", "levels=1", "arms=[ticket,reinit]", "store.checkpoint_seconds=0.1"]
    unbroken, _ = imp(*words, "outputs=unbroken")
    chance = random.Random(0)
    for _ in range(3):
        began, process = time.time(), start(*words)
        while not written_since(began, tmp_path):  # it has got past where the one before was killed
            assert process.poll() is None, "it ended before it could be killed"
            time.sleep(0.01)
        time.sleep(chance.uniform(0, 0.2))
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait().returncode == -signal.SIGKILL
    resumed, shown = imp(*words)
    assert " 0 trained" not in shown
    assert without_seconds(resumed) == without_seconds(unbroken)
    for name in ("layers.csv", "curves.csv"):
        assert (resumed / name).read_bytes() == (unbroken / name).read_bytes()
    assert not list(tmp_path.glob("outputs/store/*/*/checkpoint*"))


@pytest.mark.slow
def test_two_at_once_train_each_run_once_and_agree(start, imp, tmp_path):
    both_arms = ("ticket,reinit", "ticket,shuffle")
    processes = [start(*TINY, "recipe.iterations=300", f"arms=[{arms}]") for arms in both_arms]
    trained = 0
    for process in processes:
        done = process.wait()
        assert done.returncode == 0, done.stderr
        trained += int(done.stdout.split(" trained,")[0].split()[-1])
    assert trained == kept_runs(tmp_path) == 3 + 2 + 2
    alone, _ = imp(*TINY, "recipe.iterations=300", "arms=[ticket,reinit]", "outputs=alone")
    both = [row for path in tmp_path.glob("outputs/imp/*") for row in without_seconds(path)]
    assert all(row in both for row in without_seconds(alone))


def test_a_diverging_experiment_goes_on_and_says_so(imp, caplog, wild_rate):
    folder, shown = imp(*TINY, "recipe.optimizer=sgd")
    rows = read_csv(folder / "results.csv")
    assert [row["status"] for row in rows] == ["diverged"]
    assert rows[0]["final_test_accuracy"] == "" and "NaN or infinite" in caplog.text
    assert "These trainings diverged: ticket at level 0." in shown


def test_without_a_validation_split_early_stop_columns_are_empty(imp):
    folder, _ = imp(*TINY, "data.validation=0", "levels=1")
    for row in read_csv(folder / "results.csv"):
        assert row["early_stop_iteration"] == row["early_stop_censored"] == row["final_val_loss"] == ""
        assert row["final_test_accuracy"]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["model.plus_initializer=glorot_normal"],
            "model.plus_initializer=glorot_normal: must be one that",
        ),
        (["rewind=61"], "rewind=61: is past the end of a training of 60 iterations"),
        (["levels=200"], "levels=200: level"),
        (["data.validation=4000"], "data.validation=4000"),
        (["arms=[ticket,sesame]"], "arms=sesame: is no arm; known: ticket"),
        (["probes=[distance,sesame]"], "probes=sesame: is no probe; known: distance, interpolation, agreement"),
        (["arm_levels=[9]"], "arm_levels=9"),
        (["pruning.score=luck"], "pruning.score=luck"),
        (["model=lenet5"], "model=lenet5: needs inputs of at least 16x16"),
        (["model=custom", "model._target_=nowhere.Net"], "model._target_=nowhere.Net"),
        (["device=cuda:99"], "device=cuda:99"),
        (["pruning.scope=global"], "pruning.fractions"),
    ],
)
def test_a_bad_value_is_named_before_anything_is_trained(imp, tmp_path, overrides, message):
    with pytest.raises(LotteryError, match=re.escape(message)):
        imp("scale=smoke", *overrides)
    assert not kept_runs(tmp_path)


@pytest.fixture(scope="session")
def mnist(tmp_path_factory):
    """A folder with the real MNIST, where the data lie beside the checkout."""
    source = Path(__file__).parents[4] / "shared" / "data" / "prepare.py"
    if "LTH_DATA" in os.environ and (Path(os.environ["LTH_DATA"]) / "mnist.safetensors").exists():
        return Path(os.environ["LTH_DATA"])
    if not source.exists():
        pytest.skip("needs MNIST: set LTH_DATA to a folder with mnist.safetensors")
    root = tmp_path_factory.mktemp("mnist")
    subprocess.run([sys.executable, str(source), str(root), "mnist"], check=True, stdout=subprocess.DEVNULL)
    return root


@pytest.mark.slow
def test_the_papers_network_on_mnist(imp, mnist):
    words = [f"data.root={mnist}", "data=mnist", "model=lenet_300_100", "arms=[ticket]", "levels=3"]
    folder, _ = imp(*words, "recipe.iterations=300")
    rows = read_csv(folder / "results.csv")
    assert [f"{100 * float(row['density']):.2f}" for row in rows] == ["100.00", "80.04", "64.06", "51.28"]
    assert all(float(row["early_stop_test_accuracy"]) > 0.93 for row in rows)
