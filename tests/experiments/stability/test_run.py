"""`lth stability` end to end at scale=smoke: its files, what it shares, several seeds, bad input."""

import pytest
from lth.experiments.stability.tables import STABILITY

from lth.core.errors import SettingError
from lth.reporting import report
from tests.files import read_csv, write_data


@pytest.fixture(scope="module")
def noise(tmp_path_factory):
    """A folder with prepared data of MNIST's shape."""
    return write_data(tmp_path_factory.mktemp("data"), "mnist", (1, 28, 28), 700, 200)


@pytest.fixture
def stability(folder, noise, here):
    """Runs `lth stability`, or another experiment, on a small network; its folder and what it printed."""
    words = ["scale=smoke", "model=mlp", "model.widths=[50]", "recipe.iterations=12", "points=3"]

    words[:0] = ["data=mnist", "recipe.lr=0.01"]  # so that networks learn in twelve iterations

    def run(*more, experiment="stability", **how):
        return here(folder, noise, experiment, *(words if experiment == "stability" else words[:-1]), *more, **how)

    return run


def test_what_it_leaves_behind_what_it_shares_and_several_seeds(stability, tmp_path):
    to, shown = stability("arms=[ticket,shuffle]")
    results, pairs = (read_csv(to / f"{name}.csv") for name in ("results", "stability"))
    assert list(pairs[0]) == STABILITY.names and len(pairs) == 2 * 3 and len(results) == 2 * len(pairs)
    places = [(row["rewind"], row["level"], row["arm"]) for row in pairs]
    assert places == [(k, *x) for k in ("0", "5") for x in (("0", "ticket"), ("1", "ticket"), ("1", "shuffle"))]
    runs = {(row["setting"], row["level"], row["arm"], row["draw"]): row["run"] for row in results}
    for row in pairs:
        place = row["setting"], row["level"], row["arm"]
        assert (row["run"], row["other_run"]) == tuple(runs[*place, row[child]] for child in ("first", "second"))
        assert float(row["distance"]) > 0 and row["total"] == "12"
    assert len(set(runs.values())) == len(results) and {row["rewind"] for row in results} == {"0", "5"}
    assert len({row["setting"] for row in results}) == 2  # rewind points are never averaged
    assert len({row["seed_order"] for row in results}) == 2 and "0" not in {row["seed_order"] for row in results}
    assert "15 trained" in shown  # 12 children, the trunk, and the dense network of each search
    assert {"ticket_k0.safetensors", "ticket_k5.safetensors", "report.html"} <= {path.name for path in to.iterdir()}
    assert (to / "figures" / "stability.png").exists() and (to / "figures" / "stability_line.png").exists()
    assert "One seed gives no verdict" in " ".join(shown.split())

    more, shown = stability("arms=[ticket,shuffle]", "children=3", figures=False)  # the third child alone is new
    assert "6 trained" in shown and len(read_csv(more / "stability.csv")) == 3 * len(pairs)
    same = {(row["rewind"], row["level"], row["arm"]): row["test_instability"] for row in pairs}
    again = [row for row in read_csv(more / "stability.csv") if (row["first"], row["second"]) == ("0", "1")]
    assert {(row["rewind"], row["level"], row["arm"]): row["test_instability"] for row in again} == same
    shared = ["data.validation=0", "recipe.evaluate_every=20", "probe_every=0", "levels=1", "arms=[ticket]"]
    assert "1 trained, 1 found" in stability(*shared, experiment="imp", figures=False)[1]  # the search's dense network

    others = [stability("arms=[ticket,shuffle]", f"seed={seed}", figures=False)[0] for seed in (1, 2)]
    report([to, *others], to=tmp_path / "report")
    summary = read_csv(tmp_path / "report" / "stability.csv")
    assert len(summary) == 6 and {row["n"] for row in summary} == {"3"}
    values = [read_csv(job / "stability.csv")[0]["test_instability"] for job in (to, *others)]
    assert float(summary[0]["test_instability_mean"]) == pytest.approx(sum(map(float, values)) / 3)
    assert (tmp_path / "report" / "figures" / "stability.png").exists()


@pytest.mark.slow
def test_a_network_with_batch_norm_and_augmented_data(folder, here, tmp_path):
    write_data(tmp_path, "cifar10", (3, 32, 32), train=70, test=20)
    words = ["scale=smoke", "data=cifar10", "data.augment=flip_crop", "model=resnet20", "model.width=0.25"]
    words += ["data.validation=0", "recipe.iterations=4", "recipe.batch_size=10", "rewinds=[0]", "points=3"]
    words += ["levels=0", "arm_levels=all"]  # the dense network alone
    to, _ = here(tmp_path, tmp_path, "stability", *words, figures=False)
    [row] = read_csv(to / "stability.csv")
    assert row["test_loss_barrier"] != row["test_loss_barrier_interpolated"]
    assert len(read_csv(to / "lines.csv")) == 2 * 2 * 3


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["rewinds=[0,12]"], "rewinds=12: leaves nothing of a training of 12 iterations"),
        (["rewinds=[2.5]"], "rewinds=2.5: must be a duration"),
        (["rewinds=[0,0it]"], "rewinds=0it: is iteration 0, which is named already"),
        (["dense_rewinds=[0]"], "dense_rewinds=0: is iteration 0, which is named already"),
        (["rewinds=[]"], "rewinds=\\[\\]: must name at least one"),
        (["rewind=5"], "rewind=5: is a list here: rewinds=\\[5\\]"),
        (["children=1"], "children=1: must be at least 2"),
        (["arm_levels=[2]"], "arm_levels=2: controls run at levels 1 to 1"),
        (["recipe.batch_size=700"], "recipe.batch_size=700: takes all training examples in every step"),
    ],
)
def test_bad_input_is_one_line(stability, words, line):
    with pytest.raises(SettingError, match=line):
        stability(*words, figures=False)
