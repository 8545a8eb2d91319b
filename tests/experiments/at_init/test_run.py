"""`lth at_init` end to end at scale=smoke, on noise of MNIST-1D's shape: its files, its laws, several seeds."""

import logging
import re
from pathlib import Path

import pytest
import torch
from lth.experiments.at_init.comparison import unclear
from lth.experiments.at_init.methods import TABLE

from lth.core.errors import LotteryError
from lth.lottery.ticket import load_ticket
from lth.pruning.methods import METHODS, method_of
from lth.report.gather import gather
from lth.report.tables import RESULTS
from lth.reporting import report
from tests.files import read_csv, write_data

ALL = ["imp", "magnitude_after", "synflow", "snip", "grasp", "magnitude", "random"]


@pytest.fixture(scope="module")
def noise(tmp_path_factory) -> Path:
    """A folder with prepared data of MNIST-1D's shape."""
    return write_data(tmp_path_factory.mktemp("data"), "mnist1d", (1, 1, 40), 700, 50)


@pytest.fixture
def at_init(folder, noise, here):
    """Runs `lth at_init` to its end in this process, on a small network; its folder and what it printed."""
    words = ["scale=smoke", "model=mlp", "model.widths=[20]", "recipe.iterations=5", "pruning.steps=2"]
    return lambda *more: here(folder, noise, "at_init", *words, *more)


def test_what_it_leaves_behind_and_its_laws(at_init, caplog):
    caplog.set_level(logging.INFO)
    to, shown = at_init()
    table, results, layers = (read_csv(to / f"{name}.csv") for name in ("table", "results", "layers"))
    assert list(table[0]) == TABLE.names and list(results[0]) == RESULTS.names
    assert list(dict.fromkeys(row["method"] for row in table)) == ALL
    assert {(row["method"], row["arm"]) for row in table if row["level"] == "3"} == {
        (method, arm) for method in ALL for arm in ("ticket", "shuffle", "reinit")
    }
    assert {path.name for path in (to / "figures").iterdir()} == {
        f"frankle2021_{name}.{kind}" for name in ("methods", "ablations") for kind in ("png", "pdf")
    }
    assert (to / "report.html").exists() and "One seed: no verdict" in " ".join(shown.split())

    assert caplog.text.count("output layer: ") == 1  # once a job, whatever number of methods
    search_is_told(table)
    left: dict[str, set[str]] = {}
    for row in results:  # as many weights at a level, whatever the method and the arm
        left.setdefault(row["level"], set()).add(row["weights_left"])
    assert all(len(counts) == 1 for counts in left.values()) and len(left) == 4
    assert len({row["run"] for row in results if row["level"] == "0"}) == 1  # one dense training
    settings = {method_of(row["schedule"]): row["setting"] for row in results}
    assert len(set(settings.values())) == len(settings) == len(ALL)
    assert {row["method"]: row["setting"] for row in table} == settings

    kept: dict[tuple[str, str], dict[str, str]] = {}
    for row in layers:
        kept.setdefault((row["run"], row["level"]), {})[row["layer"]] = row["kept"]
    for method in ALL:  # shuffle and reinit keep each layer's count
        runs = {(row["level"], row["arm"]): row["run"] for row in results if row["setting"] == settings[method]}
        for level in ("1", "3"):
            counts = [kept[runs[level, arm], level] for arm in ("ticket", "shuffle", "reinit")]
            assert counts[0] == counts[1] == counts[2], method
    tickets = {method: load_ticket(to / f"{method}.safetensors") for method in ALL}
    whole = {int(sum(int(mask.sum()) for mask in ticket.mask.values())) for ticket in tickets.values()}
    assert whole == {int(left["3"].pop())}
    assert all(
        torch.equal(ticket.state[name], tickets["imp"].state[name])
        for ticket in tickets.values()
        for name in ticket.mask
    )


def search_is_told(table: list[dict[str, str]]) -> None:
    """Checks what it took to find the masks of the deepest level, and that a mask is no better than itself."""
    found = {(row["method"], row["level"]): (row["search_trainings"], row["search_iterations"]) for row in table}
    assert found["imp", "3"] == ("3", "15") and found["magnitude_after", "3"] == ("1", "5")
    assert {found[method, "3"] for method in ALL[2:]} == {("0", "0")}
    flops = {row["method"]: float(row["search_flops"]) for row in table if row["level"] == "3"}
    assert flops["imp"] == pytest.approx(3 * flops["magnitude_after"]) and flops["magnitude"] == flops["random"] == 0
    forward, first = 2 * (40 * 20 + 20 * 10), 2 * 40 * 20  # of an example; the first layer's inputs need no gradient
    assert flops["snip"] == 2 * 100 * (3 * forward - first)  # twice (pruning.steps) on ten examples of each class
    assert flops["synflow"] == 2 * (3 * forward - first)  # twice on one input of ones
    assert flops["grasp"] > 2 * flops["snip"]
    epochs = {row["method"]: float(row["search_epochs"]) for row in table if row["level"] == "3"}
    assert epochs["snip"] == epochs["grasp"] > epochs["synflow"] == 0
    free = {row["method"] for row in table if row["level"] == "3" and float(row["search_seconds"]) == 0}
    assert free == {"magnitude", "random"}
    assert all(float(row["difference"] or 0) == 0 for row in table if row["arm"] == "ticket")  # none of failed ones


def test_another_method_trains_only_what_is_new_and_shares_the_dense_network(at_init):
    assert "\n6 trained, 8 found" in at_init("methods=[imp,grasp_magnitude]")[1]


def test_a_report_keeps_methods_apart(at_init, folder):
    jobs = [at_init(f"seed={seed}", "methods=[magnitude,random]", "arms=[ticket]")[0] for seed in (0, 1)]
    gathered = gather(jobs)
    report(jobs, to=folder / "report")
    summary = read_csv(folder / "report" / "summary.csv")
    assert {row["schedule"] for row in summary} == {"magnitude_at_init", "random_at_init"}
    assert all(row["n"] == "2" for row in summary) and not unclear(gathered.rows)
    for schedule in ("magnitude_at_init", "random_at_init"):
        own = [row for job in jobs for row in read_csv(job / "results.csv")]
        own = [row for row in own if (row["schedule"], row["level"]) == (schedule, "3")]
        mean = sum(float(row["final_test_accuracy"]) for row in own) / 2
        (told,) = [row for row in summary if (row["schedule"], row["level"]) == (schedule, "3")]
        assert float(told["final_test_accuracy_mean"]) == pytest.approx(mean)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["methods=[imp,luck]"], "methods=luck: is no method; known: imp"),
        (["methods=[snip,snip]"], "methods=snip: is named twice"),
        (["methods=[]"], "methods=[]: must name at least one"),
        (["pruning=snip"], "pruning.score=snip: is defined by each method"),
        (
            ["pruning.schedule=iterative", "pruning.score_at=init"],
            "pruning.score_at=init: is defined by each method",
        ),
        (["arm_levels=[4]"], "arm_levels=4"),
        (["arms=[ticket,luck]"], "arms=luck: is no arm; known: ticket"),
    ],
)
def test_a_bad_value_is_named_before_anything_is_trained(at_init, overrides, message):
    with pytest.raises(LotteryError, match=re.escape(message)):
        at_init("outputs=nothing", *overrides)
    assert not list(Path("nothing").glob("store/*/*/run.json"))


def test_every_method_has_a_word_of_its_own():
    assert {method_of(method.word()) for method in METHODS.values()} == set(METHODS)
