"""From where on a network is stable: never more than its interval says; what claims compute of it."""

import pytest
from lth.experiments.stability.answer import at, matching_at, paragraphs, sheet
from lth.experiments.stability.comparison import unclear
from lth.experiments.stability.estimators import difference_at_last, instability, stable_from
from lth.experiments.stability.figures import sketch_instability, sketch_lines
from lth.experiments.stability.networks import networks_of, settled

from lth.report.claims.evidence import Evidence
from lth.report.criteria import Criteria
from lth.report.intervals import min_max, t_interval
from lth.report.results import Results

DENSE, TICKET = (0, "ticket"), (1, "ticket")
OF = {DENSE: {"arm": "ticket", "level": 0}, TICKET: {"arm": "ticket", "level": 1}}
LOW, HIGH, WIDE = [0.4, 0.5, 0.6], [30.0, 35.0, 40.0], [0.1, 1.5, 4.0]


def said(make_rows, by_rewind):
    pairs, results, _ = make_rows({DENSE: by_rewind})
    return " ".join(paragraphs(networks_of(pairs, results), 2.0))


def test_a_sentence_says_stable_where_the_whole_interval_is_below_the_bound(make_rows):
    text = said(make_rows, {0: HIGH, 10: WIDE, 100: LOW, 200: LOW})
    assert "The dense network is stable from k=100 (10.0% of training) on (0.50 [" in text
    assert "not stable at k=0 (0% of training) (35.00 [" in text and "undecided at k=10 (1.0% of training)" in text
    assert "n = 3 seeds" in text
    text = said(make_rows, {0: LOW, 100: HIGH})
    assert "is not stable at k=100" in text and "stable at k=0 (0% of training), and not at all later points" in text


def test_fewer_than_three_seeds_give_no_verdict(make_rows):
    text = said(make_rows, {0: HIGH[:1], 100: LOW[:1]})
    assert "mean instability 30.00 at k=0" in text and "(one seed: no verdict)" in text and " is stable" not in text


def test_one_training_under_two_seeds_is_one_seed(make_rows):
    pairs, results, _ = make_rows({DENSE: {0: LOW}})
    same = [row | {"run": "a", "other_run": "b"} for row in pairs]
    assert networks_of(same, results)[0].intervals("test_instability")[0].n == 1


def test_pairs_are_averaged_within_a_seed(make_rows):
    pairs, results, _ = make_rows({DENSE: {0: LOW}})
    more = [row | {"second": 2, "other_run": row["run"] + "x", "test_instability": 3.5} for row in pairs]
    [network] = networks_of([*pairs, *more], results)
    assert network.intervals("test_instability")[0].mean == pytest.approx(2.0)
    assert network.intervals("test_instability")[0].n == 3


def test_a_seed_with_a_child_that_diverged_is_in_no_mean_and_not_stable(make_rows):
    assert settled({0: True, 500: True}, [0, 100, 500]) == 500 and settled({0: True}, [0, 500]) is None
    pairs, results, _ = make_rows({DENSE: {0: [0.4, None, 0.6], 100: LOW}})
    [network] = networks_of(pairs, results)
    assert network.intervals("test_instability")[0].n == 2
    values = stable_from.compute(evidence(pairs, results), of=OF[DENSE])[0]
    assert {seed: float(x) for (seed, _), x in values.items()} == {0: 0.0, 1: 10.0, 2: 0.0}


def test_two_networks_at_chance_are_not_stable(make_rows):
    pairs, results, _ = make_rows({DENSE: {0: LOW}})
    results[0] |= {"chance": 0.9}  # of the first seed
    [network] = networks_of(pairs, results)
    assert network.intervals("test_instability")[0].n == 2
    assert "In no mean: dense 1 of 6 failed" in " ".join(paragraphs([network], 2.0))


def evidence(pairs, results):
    return Evidence({"stability": pairs, "results": results})


def test_the_share_of_training_is_an_upper_bound_and_a_lower_one_where_nothing_is_stable(make_rows):
    pairs, results, _ = make_rows({DENSE: {0: [9.0, 0.1, 9.0], 100: [1.0, 0.1, 9.0]}})
    values = [x for _, x in sorted(stable_from.compute(evidence(pairs, results), of=OF[DENSE])[0].items())]
    assert list(values) == [10.0, 0.0, 100.0]
    assert [(x.below, x.above) for x in values] == [(True, False), (False, False), (False, True)]


def test_where_the_first_rewind_point_is_stable_the_share_is_an_upper_bound_unless_that_is_the_start(make_rows):
    for first, below in ((0, False), (100, True)):
        pairs, results, _ = make_rows({DENSE: {first: [0.1], 200: [0.1]}})
        [value] = stable_from.compute(evidence(pairs, results), of=OF[DENSE])[0].values()
        assert (float(value), value.below) == (first / 10, below)


def test_iterative_and_one_shot_tickets_of_one_rewind_point_are_not_set_side_by_side():
    rows = [{"rewind": 0, "schedule": f"{word}_k0", "setting": word} for word in ("iterative", "one_shot")]
    assert unclear(rows).startswith("k=0 has the settings iterative, one_shot") and not unclear(rows[:1])


def test_a_ticket_is_asked_at_its_own_rewind_points_and_not_at_further_ones_of_the_dense_network(make_rows):
    by_rewind = {DENSE: {0: HIGH, 50: HIGH, 100: LOW, 200: LOW}, TICKET: {0: HIGH, 100: LOW}}
    both = evidence(*make_rows(by_rewind)[:2])
    for which in (DENSE, TICKET):
        values = stable_from.compute(both, of=OF[which])[which[0]].values()
        assert [(float(x), x.above) for x in values] == [(10.0, False)] * 3


@pytest.mark.parametrize(
    ("instabilities", "above", "below"),
    [([9.0, 1.9, 0.1], True, True), ([9.0, 2.1, 0.1], False, True), ([9.0, 9.0, 0.1], False, True)],
)
def test_what_the_error_of_the_test_set_could_move_is_open(make_rows, instabilities, above, below):
    """The test set leaves each instability an error of 0.1 points."""
    pairs, results, _ = make_rows({DENSE: {k: [x] for k, x in zip((0, 100, 200), instabilities, strict=True)}})
    [value] = stable_from.compute(evidence(pairs, results), of=OF[DENSE])[0].values()
    assert float(value) == (10.0 if instabilities[1] < 2 else 20.0) and (value.above, value.below) == (above, below)


def test_a_seed_that_has_not_been_at_all_rewind_points_yet_is_left_out(make_rows):
    pairs, results, _ = make_rows({DENSE: {0: [9.0, 9.0, 9.0], 100: [0.1, 0.1]}})
    values = stable_from.compute(evidence(pairs, results), of=OF[DENSE])[0]
    assert {seed: float(x) for (seed, _), x in values.items()} == {0: 10.0, 1: 10.0}


def test_the_last_rewind_point_is_that_of_the_tickets(make_rows):
    accuracy = {DENSE: {0: [90, 90], 100: [90, 91], 200: [99, 99]}, TICKET: {0: [88, 88], 100: [90.5, 91]}}
    low = {arm: {k: [0.1, 0.1] for k in by_rewind} for arm, by_rewind in accuracy.items()}
    both = evidence(*make_rows(low, accuracy)[:2])
    values = difference_at_last.compute(both, of={"arm": "ticket"}, than=OF[DENSE])[1]
    assert {seed: float(x) for (seed, _), x in values.items()} == pytest.approx({0: 0.5, 1: 0.0})


def test_a_line_is_drawn_where_most_networks_were_tried(make_rows):
    pairs, results, lines = make_rows({DENSE: {0: HIGH, 100: LOW, 200: LOW}, TICKET: {100: LOW}})
    drawn = sketch_lines(Results({"stability": pairs, "results": results, "lines": lines}, bars=t_interval))
    labels = [text.get_text() for text in drawn.figure.legends[0].get_texts()]
    assert "k=100" in drawn.caption and len(labels) == 2
    dense = [row for row in lines if row["level"] == 0]
    drawn = sketch_lines(Results({"stability": pairs, "results": results, "lines": dense}, bars=t_interval))
    assert "k=0" in drawn.caption and [x.get_text() for x in drawn.figure.legends[0].get_texts()] == ["dense"]


def test_bars_are_the_intervals_that_verdicts_take(make_rows):
    pairs, results, _ = make_rows({DENSE: {0: [1.9, 1.9, 1.9]}})
    [network] = networks_of([row | {"test_instability_error": 0.2} for row in pairs], results)
    shown, judged = network.drawn("test_instability", t_interval)[0], network.intervals("test_instability")[0]
    assert (shown.low, shown.high) == (judged.low, judged.high) and shown.high > 2
    assert network.drawn("test_instability", min_max)[0].high == pytest.approx(1.9)


def test_a_child_at_chance_is_in_no_mean_accuracy(make_rows):
    pairs, results, _ = make_rows({DENSE: {0: LOW}}, {DENSE: {0: [90, 92, 10]}})
    for row in results:
        row["chance"] = 0.1
    [network] = networks_of(pairs, results)
    assert network.accuracies(t_interval)[0].mean == pytest.approx(0.91)


def test_the_instability_of_a_claim_is_that_of_the_rows_that_it_is_about(make_rows):
    pairs, results, _ = make_rows({DENSE: {0: HIGH, 100: LOW}})
    values = instability.compute(evidence(pairs, results), of=OF[DENSE] | {"rewind": 0})
    assert sorted(values[0].values()) == HIGH and all(x.error == pytest.approx(0.1) for x in values[0].values())


def test_matching_is_the_verdict_on_the_ticket_of_the_same_rewind_point(make_rows):
    accuracy = {DENSE: {0: [90, 91, 92], 100: [90, 91, 92]}, TICKET: {0: [80, 81, 82], 100: [91, 92.1, 93]}}
    by_rewind = {0: HIGH, 100: LOW}
    pairs, results, lines = make_rows({DENSE: by_rewind, TICKET: by_rewind}, accuracy)
    networks = networks_of(pairs, results)
    assert matching_at(networks, Criteria()) == {(0, 1): False, (100, 1): True}
    cells = sheet("title", networks, 2.0, Criteria()).cells
    assert [row[-1] for row in cells] == ["unstable", "stable", "unstable, not matching", "stable, matching"]
    drawn = Results({"stability": pairs, "results": results, "lines": lines}, bars=t_interval)
    left, right = sketch_instability(drawn).figure.axes
    assert left.get_xscale() == "symlog" and list(left.get_xticks()) == [0, 100] and left.get_xlim()[0] < 0
    assert left.get_ylim()[0] == 0 and "accuracy" in right.get_ylabel()
    assert "k=0" in sketch_lines(drawn).caption
    one = Results({name: [x for x in rows if x["rewind"] == 0] for name, rows in drawn.tables.items()}, bars=t_interval)
    assert sketch_instability(one) is None and sketch_lines(one) is not None
    assert at(networks[0], 0) == "k=0 (0% of training)"
