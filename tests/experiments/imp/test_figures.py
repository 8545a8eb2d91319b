"""The figures of `lth imp`, of one seed and over seeds as the paper has them: all that was measured, nothing else."""

import pytest
from lth.experiments.imp.experiment import EXPERIMENT
from lth.experiments.imp.figures import (
    ACCURACY,
    FIGURE_1,
    FIGURE_4,
    FIGURE_4_EARLY,
    FIGURE_5,
    FIGURES,
    GRADIENT_NORM,
    PANELS,
    PROBES,
    SEED_FIGURES,
)
from matplotlib.image import imread

from lth.analysis.level_probes import PROBES_OF_LTH
from lth.analysis.probes import LINE_EXAMPLES, tables_of
from lth.lottery.names import meaning
from lth.report.figures.drawing import draw
from lth.report.intervals import min_max, t_interval
from lth.report.results import Results
from lth.report.tables import LAYERS

METRICS = {
    one.name: [column.name for column in one.columns if column != LINE_EXAMPLES]
    for one in PROBES_OF_LTH
    if one.name != "level_to_level"  # which has a figure of its own
}
COLUMNS = tables_of([])[0].names


def of(rows, bars=None, **tables):
    return Results({"results": rows, **tables}, bars=bars)


def labels(made):
    return [axes.get_ylabel().split(" (")[0] for axes in made.figure.axes]


@pytest.fixture(scope="module")
def one_seed(make_sweep, make_curves):
    """All that one seed leaves behind, but for probes."""
    rows = make_sweep(seeds=1, schedules=("iterative",))
    layers = [
        {**dict.fromkeys(LAYERS), **{key: row[key] for key in ("run", "level", "arm", "density")}, "layer": name}
        for row in rows
        for name in ("fc1", "fc2")
    ]
    return of(rows, layers=layers, curves=make_curves(rows))


@pytest.fixture(scope="module")
def drawn(one_seed, tmp_path_factory):
    """The figures of one seed, drawn."""
    return {figure.name: figure for figure in draw(FIGURES, one_seed, tmp_path_factory.mktemp("one"))}


@pytest.fixture(scope="module")
def seeds(make_sweep, make_curves):
    """What several seeds leave behind."""
    rows = make_sweep()
    return of(rows, t_interval, curves=make_curves(rows))


@pytest.fixture(scope="module")
def drawn_over_seeds(seeds, tmp_path_factory):
    """The figures over seeds, drawn, and their folder."""
    folder = tmp_path_factory.mktemp("seeds")
    return {figure.name: figure for figure in draw(SEED_FIGURES, seeds, folder)}, folder


def test_one_seed_has_its_four_figures_the_main_one_first(drawn):
    assert list(drawn) == ["accuracy", "curves", "gradient_norm", "layers"]
    assert EXPERIMENT.figures == FIGURES and EXPERIMENT.seed_figures == SEED_FIGURES
    for each in drawn.values():
        pixels = imread(each.path)[..., :3]
        assert 0.01 < (pixels.min(axis=-1) < 0.9).mean() < 0.5 and pixels.shape[1] >= 800
        assert each.path.with_suffix(".pdf").read_bytes().startswith(b"%PDF")
        assert each.caption.strip() and each.alt and each.title
        assert not list(each.path.parent.glob(".*"))
    assert "For reinit: means over 2 draws" in drawn["accuracy"].caption
    assert "early stop is the evaluation with the lowest validation loss" in drawn["accuracy"].caption


def test_without_a_validation_split_the_final_accuracy_stands_alone(make_sweep):
    empty = dict.fromkeys(["early_stop_iteration", "early_stop_censored", "early_stop_test_accuracy"])
    made = ACCURACY.sketch(of(make_sweep(seeds=1, **empty)))
    assert labels(made) == ["test accuracy at the end"] and "found after full training" not in made.caption
    over_seeds = FIGURE_4.sketch(of(make_sweep(seeds=2, **empty), t_interval))
    assert labels(over_seeds) == ["train accuracy at the end", "test accuracy at the end"]
    assert "Hollow" not in over_seeds.caption


@pytest.mark.parametrize(("model", "number"), [("lenet_300_100", 4), ("conv2", 5), ("conv6", 5), ("resnet20", 4)])
def test_a_network_has_the_figure_of_the_paper_that_shows_it(make_sweep, model, number):
    drawn = [figure.name for figure in (FIGURE_4, FIGURE_5) if figure.sketch(of(make_sweep(model=model), t_interval))]
    assert drawn == [f"frankle2019_fig{number}"]


def test_no_gradient_norm_no_figure_and_no_empty_panel(make_sweep):
    assert GRADIENT_NORM.sketch(of(make_sweep(seeds=1, grad_norm_init=None, grad_norm_end=None))) is None
    assert labels(GRADIENT_NORM.sketch(of(make_sweep(seeds=1, grad_norm_end=None)))) == ["gradient norm at the start"]


def test_a_dense_network_alone_has_nothing_against_density(make_result, make_curves, tmp_path):
    rows = [make_result(seed, 0) for seed in range(3)]
    assert draw(SEED_FIGURES, of(rows, t_interval, curves=make_curves(rows)), tmp_path) == []
    one = of(rows[:1], curves=make_curves(rows[:1]))
    assert [figure.name for figure in FIGURES if figure.sketch(one)] == ["curves"]


def test_what_diverged_at_once_has_no_figure(make_result):
    lost = make_result(0, 0, status="diverged", grad_norm_end=None)
    lost |= {key: None for key in lost if key.startswith(("early_stop", "final"))}
    assert not any(figure.sketch(of([lost], curves=[])) for figure in FIGURES)


@pytest.mark.slow
def test_a_whole_sweep_has_the_papers_figures(drawn_over_seeds):
    drawn, folder = drawn_over_seeds
    assert list(drawn) == ["frankle2019_fig4", "frankle2019_fig1", "frankle2019_fig3", "gradient_norm"]
    for each in drawn.values():
        pixels = imread(each.path)[..., :3]
        assert pixels.shape[1] == round(6.9 * 200)  # the text width of a paper
        assert 0.01 < (pixels.min(axis=-1) < 0.9).mean() < 0.5
        assert each.path.with_suffix(".pdf").read_bytes().startswith(b"%PDF")
        assert "n = 5" in each.caption and "95% t intervals" in each.caption and each.alt
    early = imread(folder / "frankle2019_fig4_early.png")  # off the page: short enough for a README
    assert early.shape[1] == round(6.9 * 200) and early.shape[0] < 0.45 * early.shape[1]


@pytest.mark.rendered
@pytest.mark.slow
def test_equal_rows_give_equal_bytes(seeds, tmp_path):
    for folder in (tmp_path / "once", tmp_path / "again"):
        draw([FIGURE_1], of(seeds["results"], t_interval), folder)
    for kind in ("png", "pdf"):
        once, again = ((tmp_path / folder / f"frankle2019_fig1.{kind}").read_bytes() for folder in ("once", "again"))
        assert once == again and len(once) > 1000


def test_figure_4_has_each_arm_once_and_one_shot_as_its_own_line(seeds):
    made = FIGURE_4.sketch(of(seeds["results"], min_max))
    [legend] = made.figure.legends
    assert [text.get_text() for text in legend.get_texts()][:4] == ["ticket", "reinit", "ticket, one-shot", "dense"]
    assert labels(made) == [
        "early-stop iteration",
        "test accuracy at early stop",
        "train accuracy at the end",
        "test accuracy at the end",
    ]
    assert "from the lowest to the highest seed" in made.caption
    assert "The draws of reinit are averaged within a seed." in made.caption
    assert f"reinit: {meaning('reinit')}; one-shot: pruned at once" in made.caption


def test_the_early_stop_alone_is_figure_4s_first_two_panels(seeds, make_sweep):
    assert labels(FIGURE_4_EARLY.sketch(seeds)) == ["early-stop iteration", "test accuracy at early stop"]
    empty = make_sweep(seeds=2, early_stop_iteration=None, early_stop_test_accuracy=None)
    assert FIGURE_4_EARLY.sketch(of(empty, t_interval)) is None


def test_figure_1_is_of_iterative_tickets_and_needs_the_random_networks(seeds):
    made = FIGURE_1.sketch(seeds)
    handles = {handle.get_label(): handle for handle in made.figure.legends[0].legend_handles}
    assert list(handles)[:3] == ["ticket", "shuffle", "dense"]
    assert handles["ticket"].get_linestyle() == "-" and handles["shuffle"].get_linestyle() == "--"
    assert "n = 5" in made.caption
    without = [row for row in seeds["results"] if row["arm"] != "shuffle"]
    assert FIGURE_1.sketch(of(without, t_interval)) is None


def test_a_caption_counts_the_seeds_of_what_its_figure_shows(make_sweep):
    rows = [row for row in make_sweep(seeds=3) if row["schedule"] == "iterative" or row["seed"] < 2]
    assert "n = 2 to 3" in FIGURE_4.sketch(of(rows, t_interval)).caption
    assert "n = 3)" in FIGURE_1.sketch(of(rows, t_interval)).caption, "the one-shot tickets are not in it"


def test_trainings_that_diverged_are_named(seeds):
    rows = [dict(row) for row in seeds["results"]]
    lost = next(row for row in rows if row["arm"] == "reinit" and row["level"] == 16)
    lost |= {"status": "diverged"} | {key: None for key in lost if key.startswith(("early_stop", "final", "grad"))}
    assert "of reinit at 2.9% " in FIGURE_4.sketch(of(rows, t_interval)).caption


ARMS = ("ticket", "reinit", "small_dense")


def probes_of(*columns, levels=3):
    """Rows of `probes.csv` where ticket and reinit have a value in `columns`, small_dense in the first alone."""
    return [
        dict.fromkeys(COLUMNS)
        | {"run": f"{level}{arm}", "level": level, "arm": arm, "draw": 0, "density": 0.5**level, "seed": 0}
        | {"status": "done", "setting": "one", "schedule": "iterative", "model": "small"}
        | {column: (level + 0.25) * (1 + number) for column in (columns[:1] if arm == "small_dense" else columns)}
        for level in range(levels)
        for number, arm in enumerate(ARMS)
    ]


def sketch_probes(probes, bars=None):
    return PROBES.sketch(of(probes, bars, probes=probes))


@pytest.mark.parametrize("probe", METRICS)
def test_what_a_probe_measured_has_a_panel_with_its_arms_and_nothing_else_has(probe):
    probes = probes_of(*METRICS[probe])
    shown = [measure for measure in PANELS if measure.column in METRICS[probe]]
    made = sketch_probes(probes)
    assert [axes.get_title("left") for axes in made.figure.axes] == [measure.title for measure in shown]
    for axes, measure in zip(made.figure.axes, shown, strict=True):
        lines = {line.get_color(): list(line.get_ydata()) for line in axes.lines}
        expected = [measure.factor * row[measure.column] for row in probes if row["arm"] == "ticket"]
        assert len(lines) == (3 if measure.column == METRICS[probe][0] else 2)
        assert lines["#0072B2"] == pytest.approx(expected)
        low, high = axes.get_ylim()
        assert low < min(map(min, lines.values())) and high > max(map(max, lines.values()))


def test_all_probes_have_their_panels_and_are_explained():
    probes = probes_of(*(metric for metrics in METRICS.values() for metric in metrics))
    made = sketch_probes(probes)
    assert len(made.figure.axes) == len(PANELS)
    assert [axes.get_xlabel() for axes in made.figure.axes].count("weights left (%)") == 3  # once a column
    assert "small_dense has other shapes" in made.caption and "fixed examples" not in made.caption
    for sentence in (
        "Distances are over weights and biases",
        "The barrier is how far",
        "Disagreement is the percentage",
    ):
        assert sentence in made.caption
    assert "barrier of test error (points), ticket: 25 at 100%, 225 at 25.0%" in made.alt
    again = [row | {"seed": seed, "run": f"{row['run']} {seed}"} for row in probes for seed in range(3)]
    over_seeds = sketch_probes(again, t_interval)
    assert len(over_seeds.figure.axes) == len(PANELS) and "n = 3" in over_seeds.caption


def test_every_panel_has_its_title_however_many_there_are():
    columns = [f"column_{number}" for number in range(14)]
    made = sketch_probes([row | dict.fromkeys(columns, 1.0 + row["level"]) for row in probes_of("distance_to_init")])
    titles = [axes.get_title("left") for axes in made.figure.axes]
    assert titles == ["distance to own start", *(column.replace("_", " ") for column in columns)]


def test_the_columns_of_other_probes_have_panels_of_their_own():
    probes = [row | {"weight_norm": -1.5 * row["level"], "remark": "text"} for row in probes_of("distance_to_init")]
    first, second = sketch_probes(probes).figure.axes
    assert (first.get_title("left"), second.get_title("left")) == ("distance to own start", "weight norm")
    assert second.get_ylim()[0] < -3


def test_barriers_on_some_examples_are_said_to_be_so():
    probes = [row | {"line_examples": 1_000} for row in probes_of(*METRICS["interpolation"])]
    assert "Barriers were measured on 1,000 fixed examples of each split." in sketch_probes(probes).caption


def test_without_two_levels_or_any_value_there_is_no_figure_of_probes():
    one = probes_of("distance_to_init", levels=1)
    empty = [row | {"distance_to_init": None} for row in probes_of("distance_to_init")]
    assert sketch_probes(one) is sketch_probes(empty) is sketch_probes([]) is None
