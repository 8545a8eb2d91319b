"""Figures, table and answer of `lth gradient_flow`: what they need, what they leave out, equal bytes for equal rows."""

import pytest
from lth.experiments.gradient_flow.answer import HEADS, failing, sentence, sheets
from lth.experiments.gradient_flow.arms import INITS, METHODS
from lth.experiments.gradient_flow.figures import FIGURES
from lth.experiments.gradient_flow.figures.landscape import sketch_signal
from lth.experiments.gradient_flow.figures.styles import about, paper_name
from lth.experiments.gradient_flow.figures.training import accuracies_of, error_axis, norms, sketch_accuracy
from matplotlib.figure import Figure

from lth.report.figures.drawing import draw
from lth.report.intervals import t_interval
from lth.report.results import Results
from lth.report.tables import CURVES, RESULTS
from lth.report.wandb.levels import LevelMetrics

ARMS = [*INITS.values(), *METHODS]


@pytest.fixture
def results():
    about = {"experiment": "gradient_flow", "data": "mnist", "model": "lenet5", "seed": 0, "level": 1}
    about |= {"status": "done", "density": 0.05, "sparsity": 0.95}
    return [
        {**dict.fromkeys(RESULTS), **about, "arm": arm, "draw": draw, "run": f"{arm}{draw}"}
        | {"final_test_accuracy": 0.97 + 0.001 * place + 0.0001 * draw, "grad_norm_init": 0.1 * (draw + 1)}
        for place, arm in enumerate(ARMS)
        for draw in range(1 if arm == "pruned" else 3)
    ]


@pytest.fixture
def curves(results):
    return [
        {**dict.fromkeys(CURVES), "run": row["run"], "iteration": at, "grad_norm": 0.1 + at / 1000 + row["draw"] / 10}
        for row in results
        for at in (0, 200, 400, *([100] if row["draw"] == 0 else []))  # the first run was measured more often
    ]


@pytest.fixture
def analyses():
    lines = [
        {"init": init, "draw": 0, "at": at, "split": split, "alpha": alpha, "loss": 0.1 + alpha**2, "accuracy": 0.9}
        for init in ("lottery", "scratch")
        for at in ("start", "end")
        for split in ("train", "test")
        for alpha in (0.0, 0.5, 1.0)
    ]
    signal = [
        {"init": init, "sparsity": sparsity, "draw": draw, "std": 1.0 - sparsity + 0.1 * draw}
        for init in ("dense", "layer_scaled", "sparsity_aware")
        for sparsity in (0.0, 0.5, 0.95)
        for draw in (0, 1)
    ]
    points = ("pruned_end", "lottery_start", "lottery_end", "scratch_start", "scratch_end")
    places = [{"point": x, "draw": 0, "x": 1.0 * n, "y": 0.5 * n * n, "stress": 0.1} for n, x in enumerate(points)]
    updates = [{"arm": "rigl", "iteration": at, "before": 0.2, "after": 0.1 + at / 1000} for at in (50, 100, 150)]
    spectrum = [
        {"arm": "rigl", "iteration": 100, "moment": moment, "kind": kind, "eigenvalue": value + shift, "weight": 0.25}
        for moment, shift in (("before", 0.0), ("after", -0.5))
        for kind, values in (("largest", (2.0, 1.0)), ("smallest", (-0.3, 0.1)), ("node", (-0.3, 0.1, 1.0, 2.0)))
        for value in values
    ]
    return {"lines": lines, "signal": signal, "map": places, "updates": updates, "spectrum": spectrum}


@pytest.fixture
def table():
    share = {"test_accuracy_std": 0.001, "ensemble_accuracy": 0.98, "distance_to_pruned": 3.0}
    share |= {"disagreement": 0.01, "disagreement_with_pruned": 0.02}
    return [
        {"init": init, "seeds": 5, "test_accuracy": 0.97 + 0.01 * (init == "lottery"), "failed": 0, **share}
        for init in INITS
    ]


@pytest.mark.slow
@pytest.mark.rendered
def test_all_figures_are_drawn_and_drawn_again_with_the_same_bytes(tmp_path, results, curves, analyses):
    rows = Results({"results": results, "curves": curves, **analyses})
    drawn = [draw(figures, rows, tmp_path / folder) for folder, figures in (("a", FIGURES), ("b", FIGURES[-3:]))]
    names = ("accuracy", "signal", "gradient_norm", "updates", "spectrum", "interpolation", "map")
    assert [figure.name for figure in drawn[0]] == [f"evci2022_{name}" for name in names]
    assert [figure.name for figure in FIGURES] == [figure.name for figure in drawn[0]]
    assert len(drawn[1]) == 3
    for path in (tmp_path / "b").iterdir():
        assert path.read_bytes() == (tmp_path / "a" / path.name).read_bytes(), path.name
    assert all(figure.caption and figure.alt.endswith(".") for figure in drawn[0])
    assert "rigl: it rises at 1 of 3 changes" in drawn[0][3].alt


def test_what_was_not_measured_is_left_out(tmp_path, results):
    assert [figure.name for figure in draw(FIGURES, Results({"results": results}), tmp_path)] == ["evci2022_accuracy"]
    diverged = [row | {"status": "diverged", "final_test_accuracy": None} for row in results]
    assert draw(FIGURES, Results({"results": diverged}), tmp_path) == []


def test_over_several_masks_the_mask_is_the_unit(results):
    second = [row | {"seed": 1, "final_test_accuracy": row["final_test_accuracy"] + 0.01} for row in results]
    rows = [*results, *second]
    assert accuracies_of(rows, "ticket") == pytest.approx([97.01, 98.01])
    assert accuracies_of(results, "ticket") == pytest.approx([97.0, 97.01, 97.02])
    sketch = sketch_accuracy(Results({"results": rows}, bars=t_interval))
    assert "the means over the runs of 2 masks" in sketch.caption and "lottery 97.51% (n = 2)" in sketch.alt
    assert "share one mask" not in sketch.caption and "95% t intervals over seeds" in sketch.caption
    assert "95% t intervals over runs" in sketch_accuracy(Results({"results": results})).caption


@pytest.mark.parametrize("accuracies", [[11.35, 97.8, 98.5], [45.7, 59.3], [98.51, 98.53], [100.0, 100.0], [0.0, 50.0]])
def test_the_axis_of_accuracies_is_even_in_the_logarithm_of_the_error(accuracies):
    axes = Figure().subplots()
    error_axis(axes, accuracies)
    low, high = axes.get_xlim()
    assert low < min(accuracies) and (high > max(accuracies) or max(accuracies) == 100)
    assert all(low < tick < high for tick in axes.get_xticks()) and len(axes.get_xticks()) >= 2
    place = axes.transData.transform([[96, 0], [98, 0], [99, 0]])[:, 0]
    assert place[1] - place[0] == pytest.approx(place[2] - place[1])


def test_a_network_without_output_leaves_the_band_whole(analyses):
    analyses["signal"][0]["std"] = 0.0
    sketch = sketch_signal(analyses["signal"])
    assert "1 of 18 networks have a constant output" in sketch.caption
    (bottom, _), band = sketch.figure.axes[0].get_ylim(), sketch.figure.axes[0].collections[0].get_paths()[0]
    assert 0 < band.vertices[:, 1].min() < bottom


def test_gradient_norms_are_means_where_all_runs_were_looked_at(results, curves):
    line = norms(results, curves, "rigl")
    assert list(line) == [0, 200, 400]
    assert line[200] == pytest.approx((0.4, 0.3, 0.5))


def test_arms_have_the_papers_names_and_a_meaning():
    assert [paper_name(arm) for arm in ARMS] == [*INITS, *METHODS]
    assert all(about(arm) and "IMP" not in about(arm) for arm in ARMS)


def test_the_sheet_is_the_papers_table_in_percent(results, table):
    (sheet,) = sheets(Results({"results": results, "table": table}))
    rows = {cells[0]: dict(zip(HEADS, cells, strict=True)) for cells in sheet.cells}
    assert list(rows) == list(INITS) and rows["lottery"]["accuracy"] == "98.00 ± 0.10"
    assert (rows["scratch"]["disagree"], rows["scratch"]["pruned"], rows["scratch"]["L2"]) == ("1.00", "2.00", "3.00")
    assert list(sheet.legend) == [paper_name(arm) for arm in ARMS]


def test_runs_that_failed_are_counted_in_the_sheet_and_named(results, table):
    (sheet,) = sheets(Results({"results": results, "table": [row | {"failed": 2, "seeds": 3} for row in table]}))
    assert {cells[1] for cells in sheet.cells} == {"3 (2 failed)"}
    lost = [row | {"status": "diverged"} if row["arm"] == "reinit" else row for row in results]
    assert failing(results) == [] and "of scratch 3 of 3 failed (29% to 100%)" in failing(lost)[0]
    assert accuracies_of(lost, "reinit") == []


def test_the_sentence_says_that_it_is_one_mask(table):
    assert sentence(table).startswith(
        "The test accuracy of lottery is +1.00 points from that of scratch; its runs disagree"
    )
    single = [row | {"disagreement": None} for row in table]
    assert "disagree on" not in sentence(single) and "one mask" in sentence(single[2:])


def test_wandb_gets_means_over_runs(results):
    values = LevelMetrics().row(results)
    assert values["level"] == 1 and values["ticket/final_test_accuracy"] == pytest.approx(0.9701)
    assert values["rigl/grad_norm_init"] == pytest.approx(0.2) and "rigl/grad_norm_end" not in values
