"""What W&B gets of each level: means over draws by series, under the names that dashboards rely on."""

import pytest

from lth.core.tables import Column, Table
from lth.report.tables import CURVES, RESULTS
from lth.report.wandb import charts
from lth.report.wandb.charts import level_charts, training_charts
from lth.report.wandb.levels import HEADLINES, LevelMetrics, measured_columns


def result(level, arm="ticket", draw=0, **more):
    """A row of results.csv."""
    return RESULTS.row({"level": level, "arm": arm, "draw": draw, "density": 0.8**level} | more)


def test_draws_are_averaged_and_what_was_not_measured_is_left_out():
    rows = [result(1, final_test_accuracy=0.9), result(1, "reinit", 0, final_test_accuracy=0.6)]
    rows += [result(1, "reinit", 1, final_test_accuracy=0.8), result(1, "reinit", 2, status="diverged")]
    assert LevelMetrics().row(rows) == {
        "level": 1,
        "density": 0.8,
        "sparsity": pytest.approx(0.2),
        "accuracy/ticket": 0.9,
        "accuracy/reinit": pytest.approx(0.7),
        "ticket/final_test_accuracy": 0.9,
        "reinit/final_test_accuracy": pytest.approx(0.7),
    }


def test_accuracy_is_that_at_early_stopping_where_there_is_a_validation_split():
    row = LevelMetrics().row(
        [result(0, early_stop_test_accuracy=0.7, final_test_accuracy=0.6, early_stop_iteration=50)]
    )
    assert (row["accuracy/ticket"], row["early_stop/ticket"]) == (0.7, 50)


def test_rows_of_several_tables_meet_by_their_arm():
    probed = {"level": 1, "arm": "ticket", "draw": 0, "density": 0.8, "barrier": 0.3, "line_examples": 100}
    row = LevelMetrics(("final_test_accuracy", "barrier")).row([result(1, final_test_accuracy=0.9), probed])
    assert (row["ticket/barrier"], row["ticket/final_test_accuracy"]) == (0.3, 0.9)
    assert "ticket/line_examples" not in row


def test_the_layers_of_the_ticket_have_density_and_gradient_norm():
    layers = [{"layer": "fc1", "density": 0.5, "grad_norm_init": 2.0}, {"layer": "fc2", "density": 1.0}]
    row = LevelMetrics().row([result(1)], [layer | {"grad_norm_init": layer.get("grad_norm_init")} for layer in layers])
    assert {key: value for key, value in row.items() if key.startswith("layer/")} == {
        "layer/fc1/density": 0.5,
        "layer/fc1/grad_norm": 2.0,
        "layer/fc2/density": 1.0,
    }


def test_a_method_with_its_arm_takes_the_place_of_an_arm():
    """`lth at_init` has as many series as methods times arms: they have no headlines besides."""
    metrics = LevelMetrics(series=lambda row: f"{row['schedule']}/{row['arm']}")
    rows = [result(1, schedule=method, final_test_accuracy=0.5) for method in ("snip", "grasp")]
    names = set(metrics.row(rows)) - {"level", "density", "sparsity"}
    assert names == {"snip/ticket/final_test_accuracy", "grasp/ticket/final_test_accuracy"}


def test_measurements_are_the_numbers_of_tables_with_a_row_for_each_arm():
    place = (Column("level", int), Column("arm", str), Column("draw", int), Column("density", float))
    own = (Column("dead_units", int), Column("barrier", float), Column("kind", str), Column("certain", bool))
    probes = Table("probes", (*place, *own), key=("level", "arm", "draw"))
    lines = Table("lines", (*place, Column("loss", float)), key=("level", "arm", "draw", "alpha"))
    search = Table("search", (Column("level", int), Column("seconds", float)), key=("level",))
    assert measured_columns([probes, lines, search]) == ("dead_units", "barrier")


def test_series_are_charted_together_by_level_where_there_are_two():
    rows = [{"level": level, "accuracy/ticket": 0.9, "early_stop/ticket": 10.0} for level in (0, 1)]
    rows[1] |= {"accuracy/reinit": 0.8}
    del rows[1]["early_stop/ticket"]
    (chart,) = level_charts(rows, HEADLINES)
    assert (chart.key, chart.x, chart.y, chart.line) == ("figures/accuracy_by_level", "level", "accuracy", "series")
    assert [tuple(row.values()) for row in chart.rows] == [(0, "ticket", 0.9), (1, "ticket", 0.9), (1, "reinit", 0.8)]


@pytest.mark.parametrize("validation", [True, False])
def test_training_is_one_chart_an_arm_with_a_line_a_level(validation):
    results = [result(level, arm, run=f"{arm}{level}") for level in range(12) for arm in ("ticket", "reinit")]
    curves = [
        CURVES.row(run=row["run"], iteration=at, train_loss=1.0, val_loss=2.0 if validation else None)
        for row in results
        for at in (0, 10)
    ]
    by_arm = LevelMetrics().by_series(results)
    ticket, reinit = training_charts(by_arm, curves, [0, 3, 11])
    assert (ticket.key, reinit.key) == ("training/ticket", "training/reinit")
    assert (ticket.x, ticket.y) == ("iteration", "val_loss" if validation else "train_loss")
    assert ticket.title == ("Validation loss: ticket" if validation else "Training loss: ticket")
    lines = dict.fromkeys(row["line"] for row in ticket.rows)
    assert list(lines) == ["level 00: 100%", "level 03: 51.2%", "level 11: 8.6%"] and len(ticket.rows) == 6
    assert {"train_loss", "val_loss", "val_accuracy", "test_accuracy", "grad_norm", "lr"} < ticket.rows[0].keys()


def test_long_trainings_are_thinned(monkeypatch):
    monkeypatch.setattr(charts, "POINTS", 10)
    curves = [CURVES.row(run="run0", iteration=at, val_loss=1.0) for at in range(95)]
    (chart,) = training_charts({"ticket": [result(0, run="run0")]}, curves, [0])
    assert [row["iteration"] for row in chart.rows] == list(range(0, 95, 10))
