"""The figures of methods: every method, every ablation, and random pruning flattens nothing."""

import pytest
from lth.experiments.at_init.figures import ABLATIONS_FIGURE, FIGURES, METHODS_FIGURE, style_of

from lth.pruning.methods import METHODS
from lth.report.figures.drawing import draw
from lth.report.intervals import t_interval
from lth.report.results import Results


def of(rows, bars=t_interval):
    return Results({"results": rows}, bars=bars)


@pytest.fixture(scope="module")
def drawn(make_rows, tmp_path_factory):
    """The figures over seeds, drawn."""
    return draw(FIGURES, of(make_rows()), tmp_path_factory.mktemp("figures"))


def test_figures_show_every_method_and_every_ablation(drawn):
    assert [figure.name for figure in drawn] == ["frankle2021_methods", "frankle2021_ablations"]
    assert all(figure.path.exists() and figure.path.with_suffix(".pdf").exists() for figure in drawn)
    shown = [name for name in METHODS if name != "grasp_magnitude"]
    assert all(name in drawn[0].caption and name in drawn[1].alt for name in shown)
    assert "n = 3" in drawn[0].caption and "95% t intervals" in drawn[1].caption


def test_one_seed_has_the_same_figures(make_rows):
    for figure in FIGURES:
        made = figure.sketch(of(make_rows(seeds=1), None))
        assert made and "seeds" not in made.caption and "error bars" not in made.caption


def test_there_is_a_panel_a_method(make_rows):
    made = ABLATIONS_FIGURE.sketch(of(make_rows()))
    names = [name for name in METHODS if name != "grasp_magnitude"]
    assert [axes.get_title("left") for axes in made.figure.axes] == names
    assert [text.get_text() for text in made.figure.legends[0].get_texts()][:3] == ["ticket", "reinit", "shuffle"]


def test_random_pruning_does_not_press_the_others_into_one_line(make_rows):
    fallen = [
        row | ({"final_test_accuracy": 0.4} if row["schedule"] == "random_at_init" and row["level"] else {})
        for row in make_rows()
    ]
    for figure in FIGURES:
        made = figure.sketch(of(fallen))
        assert "The line of random pruning may extend below the panel." in made.caption
        low, high = made.figure.axes[0].get_ylim()
        assert 90 < low < 96.8 and 98 < high <= 100.1
    within = METHODS_FIGURE.sketch(of(make_rows(methods=["imp", "snip"])))
    assert "below the panel" not in within.caption


def test_every_method_has_a_style_of_its_own():
    styles = [style_of(method) for method in METHODS]
    assert len({style.colour for style in styles}) == len({style.marker for style in styles}) == len(METHODS)


def test_figures_need_something_to_show(make_rows):
    dense = [row for row in make_rows() if row["level"] == 0]
    assert METHODS_FIGURE.sketch(of(dense)) is None and ABLATIONS_FIGURE.sketch(of(dense)) is None
    assert ABLATIONS_FIGURE.sketch(of([row for row in make_rows() if row["arm"] == "ticket"])) is None
