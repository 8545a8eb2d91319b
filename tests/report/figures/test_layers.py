"""The densities of layers: those that are pruned alike share a line."""

from lth.report.figures.layers import LABELLED_LAYERS, layer_lines, sketch_layers
from lth.report.results import Results
from lth.report.tables import LAYERS

EXPONENTS = {"fc1": 1.0, "fc2": 1.001, "_output": 0.5}


def layers_of(results, exponents=EXPONENTS):
    """Rows of layers, by default of two that are pruned alike and one that keeps more."""
    return [
        {**dict.fromkeys(LAYERS), **{key: row[key] for key in ("run", "level", "arm", "draw")}, "layer": name}
        | {"density": row["density"] ** exponents[name]}
        for row in results
        for name in exponents
    ]


def sketch(results, layers):
    return sketch_layers(Results({"results": results, "layers": layers}))


def test_layers_that_are_pruned_alike_share_a_line(make_rows):
    lines = layer_lines(layers_of(make_rows({"reinit": 1})))
    assert list(lines) == ["fc1, fc2", "_output"]
    many = [{"arm": "ticket", "layer": f"conv{i}", "level": 0, "density": 1.0} for i in range(9)]
    assert list(layer_lines(many)) == ["conv0 and 8 more"]


def test_every_layer_is_in_the_legend_and_in_words_whatever_its_name_begins_with(make_rows):
    rows = make_rows({})
    made = sketch(rows, layers_of(rows))
    names = [text.get_text().strip() for text in made.figure.legends[0].get_texts()]
    assert names == ["whole network", "fc1, fc2", "_output"]
    assert "fc1, fc2: 100% at 100%, 32.8% at 32.8%" in made.alt and "_output: 100% at 100%, 57.2% at 32.8%" in made.alt


def test_a_deep_network_names_some_of_its_layers(make_rows):
    rows = make_rows({}, levels=2)
    made = sketch(rows, layers_of(rows, {f"conv{i}": 0.1 + 0.1 * i for i in range(2 * LABELLED_LAYERS)}))
    assert len(made.figure.legends[0].get_texts()) == LABELLED_LAYERS + 1
    assert made.figure.legends[0].get_title().get_text() == "layer (one of 2 named)"


def test_a_layer_with_no_weights_left_ends_its_line(make_rows):
    rows = make_rows({}, levels=3)
    layers = [row | {"density": 0.0} if row["level"] > 1 and row["layer"] == "fc1" else row for row in layers_of(rows)]
    made = sketch(rows, layers)
    made.figure.draw_without_rendering()
    assert made.figure.axes[0].get_ylim()[0] > 1


def test_without_two_levels_there_is_no_figure(make_rows):
    rows = make_rows({}, levels=0)
    assert sketch(rows, layers_of(rows)) is None and sketch(make_rows({}), []) is None
