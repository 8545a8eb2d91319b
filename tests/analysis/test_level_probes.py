"""The probes of levels: the values of the pure measurements, what is zero by law, nothing computed a second time."""

from dataclasses import dataclass, replace
from itertools import groupby

import pytest
import torch

from lth.analysis import geometry, lines, peers
from lth.analysis.agreement import agreement, disagreement, logits_of, symmetric_kl
from lth.analysis.connectivity import interpolate
from lth.analysis.geometry import cosine_distance, l2_distance
from lth.analysis.level_probes import LINES, PROBES_OF_LTH
from lth.analysis.line import line
from lth.analysis.peers import Peers
from lth.analysis.probes import LINE_EXAMPLES, LevelProbes, tables_of
from lth.core.weights import digest, masked
from lth.lottery.arms import outcomes
from lth.lottery.context import context_of
from lth.lottery.levels import levels
from lth.models.initialize import initialize
from lth.pruning.resolved import resolve
from lth.pruning.schedule import Pruning
from lth.pruning.updates import Rewiring
from lth.store.runs import Store
from lth.training.gradient import examples

BETWEEN = "level_to_level"
METRICS = {one.name: [column.name for column in one.columns if column != LINE_EXAMPLES] for one in PROBES_OF_LTH}
TO_PREVIOUS = METRICS.pop(BETWEEN)
ALL = list(METRICS)
COLUMNS = tables_of(ALL)[0].names
PROBES = [name for name in COLUMNS if name not in TO_PREVIOUS]
ARMS = ("ticket", "reinit", "shuffle", "small_dense", "restart", "set")


def unmonitored(what, count):
    return lambda done: None


@dataclass(frozen=True)
class Measured:
    """The rows of one level by their table."""

    probes: list
    lines: list


def measure(probes, outcomes, monitor=unmonitored):
    """What `probes` measure of one level."""
    rows = probes.measure(outcomes, monitor)
    return Measured(*([row for table, row in rows if table == name] for name in ("probes", "lines")))


@pytest.fixture(scope="module")
def trained(tmp_path_factory, make_job):
    """The store and the outcomes of levels 0 to 2, by level: six arms, two draws each."""
    store, spec = Store(tmp_path_factory.mktemp("store")), make_job()
    fresh = lambda seed: initialize(spec.model, "glorot_normal", seed)  # noqa: E731
    context = context_of(spec.model, spec.initial_state, fresh, Rewiring(0.3, 10))
    rounds = levels(spec, resolve(spec.model, Pruning(fraction=0.3), 2), store.train)
    trained = outcomes(rounds, ARMS, store.train, context, draws=2)
    return store, [list(each) for _, each in groupby(trained, key=lambda outcome: outcome.level.index)]


@pytest.fixture(scope="module")
def measured(trained, data):
    """What all probes measure at each level."""
    store, by_level = trained
    probes = LevelProbes(ALL, data, store.probed)
    return [measure(probes, outcomes) for outcomes in by_level]


@pytest.mark.slow
def test_a_row_for_every_arm_and_draw_and_58_points_of_each_line(trained, measured):
    for level, level_rows in zip(trained[1], measured, strict=True):
        assert [(row["arm"], row["draw"], row["run"]) for row in level_rows.probes] == [
            (outcome.arm, outcome.draw, outcome.result.run) for outcome in level
        ]
        assert all(list(row) == COLUMNS and row["density"] == level[0].level.density for row in level_rows.probes)
        assert all(list(row) == LINES.names for row in level_rows.lines)
        compared = [row for row in level_rows.probes if row["test_loss_barrier"] is not None]
        assert len(level_rows.lines) == 58 * len(compared) and len(compared) == (8 if level[0].level.index else 0)


def test_the_values_are_those_of_the_pure_probes(trained, measured, data):
    outcomes = trained[1][2]
    level, model = outcomes[0].level, outcomes[0].spec.model
    solution = masked(level.source, level.spec.mask)
    answers = {(one.arm, one.draw): one for one in outcomes if one.arm != "small_dense"}
    logits = {key: logits_of(model, one.result.final, data.test) for key, one in answers.items()}
    reference = logits_of(model, solution, data.test)
    for row in measured[2].probes:
        key = (row["arm"], row["draw"])
        if key not in answers:
            continue
        spec, final = answers[key].spec, answers[key].result.final
        start, path = masked(spec.initial_state, spec.mask), interpolate(model, final, solution, data)
        expected = {
            "distance_to_init": l2_distance(model, final, start),
            "cosine_distance_to_init": cosine_distance(model, final, start),
            "distance_to_pruned": l2_distance(model, final, solution),
            "cosine_distance_to_pruned": cosine_distance(model, final, solution),
            "train_loss_barrier": path.barrier("train"),
            "train_error_barrier": path.error_barrier("train"),
            "test_loss_barrier": path.barrier("test"),
            "test_error_barrier": path.error_barrier("test"),
            "disagreement_with_pruned": disagreement(logits[key], reference),
            "kl_with_pruned": symmetric_kl(logits[key], reference),
        }
        assert {name: row[name] for name in expected} == expected
        if key != ("ticket", 0):
            ticket = logits["ticket", 0]
            assert row["disagreement_with_ticket"] == disagreement(logits[key], ticket)
            assert row["kl_with_ticket"] == symmetric_kl(logits[key], ticket)
    for arm in ("reinit", "shuffle", "set"):
        draws = [row for row in measured[2].probes if row["arm"] == arm]
        together = agreement([logits[arm, 0], logits[arm, 1]], data.test.labels)
        assert {row["ensemble_accuracy"] for row in draws} == {together.ensemble}
        assert sum(row["disagreement_between_draws"] for row in draws) / 2 == together.disagreement.mean


def test_lines_lead_from_each_network_under_its_own_mask_to_the_pruned_solution(trained, measured, data):
    for outcome in trained[1][1]:
        rows = [row for row in measured[1].lines if row["run"] == outcome.result.run and row["split"] == "test"]
        if outcome.arm == "small_dense":
            assert not rows
            continue
        assert tuple(row["alpha"] for row in rows) == line()
        accuracy = {row["alpha"]: row["accuracy"] for row in rows}
        assert accuracy[0.0] == outcome.result.points[-1].test_accuracy
        assert accuracy[1.0] == accuracy_of(outcome, masked(outcome.level.source, outcome.level.spec.mask), data)


def accuracy_of(outcome, state, data):
    return 1 - disagreement(logits_of(outcome.spec.model, state, data.test), data.test.labels)


def test_what_was_not_compared_is_empty(measured):
    from_init = set(PROBES[:6]) - {"line_examples"} | {"distance_to_init", "cosine_distance_to_init"}
    rows = {(level_rows.probes[0]["level"], row["arm"]): row for level_rows in measured for row in level_rows.probes}
    filled = {key: {name for name, value in row.items() if value is not None} for key, row in rows.items()}
    assert filled[0, "ticket"] == filled[1, "small_dense"] == from_init
    with_ticket = {"disagreement_with_ticket", "kl_with_ticket"}
    of_draws = {"disagreement_between_draws", "ensemble_accuracy"}
    everything = set(PROBES) - {"line_examples"}
    assert filled[1, "ticket"] == everything - with_ticket - of_draws
    assert filled[1, "restart"] == everything - of_draws and filled[1, "reinit"] == everything


def test_restart_begins_at_the_pruned_solution(measured):
    for level_rows in measured[1:]:
        (row,) = (row for row in level_rows.probes if row["arm"] == "restart")
        assert row["distance_to_init"] == row["distance_to_pruned"] > 0
        assert row["cosine_distance_to_init"] == row["cosine_distance_to_pruned"] > 0


def test_the_pruned_solution_itself_is_at_no_distance_from_it(trained, data):
    """A ticket that relearned exactly what was pruned: nothing lies between the two, and they agree."""
    store, by_level = trained
    ticket = by_level[1][0]
    solution = masked(ticket.level.source, ticket.level.spec.mask)
    same = replace(ticket, result=replace(ticket.result, states={"final": solution}, run=""))
    (row,) = measure(LevelProbes(ALL, data, store.probed), [same]).probes
    exact, mixed = ([row[name] for name in PROBES if name.endswith(ending)] for ending in ("_with_pruned", "_barrier"))
    assert exact == [0, 0] and row["distance_to_pruned"] == row["cosine_distance_to_pruned"] == 0
    assert mixed == pytest.approx([0] * 4, abs=1e-6)  # a mixture of equal weights is equal up to rounding


def test_the_second_time_nothing_is_computed(trained, measured, data, monkeypatch):
    store = Store(trained[0].folder)
    for where, name in (
        (peers, "logits_of"),
        (lines, "interpolate"),
        (geometry, "l2_distance"),
        (geometry, "cosine_distance"),
    ):
        monkeypatch.setattr(where, name, lambda *_, **__: pytest.fail("computed"))
    probes = LevelProbes(ALL, data, store.probed)
    assert [measure(probes, outcomes) for outcomes in trained[1]] == measured
    assert not store.measured and trained[0].measured == {
        row["run"] for level_rows in measured for row in level_rows.probes
    }


def test_one_probe_alone_gives_its_own_columns_as_all_do(trained, measured, data):
    for probe, metrics in METRICS.items():
        level_rows = measure(LevelProbes([probe], data, trained[0].probed), trained[1][1])
        for row, full in zip(level_rows.probes, measured[1].probes, strict=True):
            others = {name for name in PROBES[6:] if name not in metrics}
            assert all(row[name] == full[name] for name in metrics) and all(row[name] is None for name in others)
        assert list(level_rows.lines) == (list(measured[1].lines) if probe == "interpolation" else [])
    assert not LevelProbes([], data, trained[0].probed).measure(trained[1][1], lambda *_: pytest.fail("monitored"))


def test_lines_on_some_examples_are_remembered_apart(trained, measured, data):
    ticket = trained[1][1][0]
    level_rows = measure(LevelProbes(["interpolation"], data, trained[0].probed, 20), [ticket])
    few = replace(data, train=examples(data.train, 20), test=examples(data.test, 20))
    path = interpolate(ticket.spec.model, ticket.result.final, masked(ticket.level.source, ticket.level.spec.mask), few)
    assert (
        level_rows.probes[0]["train_loss_barrier"] == path.barrier("train")
        and level_rows.probes[0]["line_examples"] == 20
    )
    assert [row["loss"] for row in level_rows.lines if row["split"] == "test"] == [
        score.loss for score in path.scores["test"]
    ]
    assert level_rows.lines != measured[1].lines[: len(level_rows.lines)]


def test_progress_counts_every_step_of_every_probe(trained, data, tmp_path):
    steps, announced = [], []

    def monitor(what, count):
        announced.append((what, count))
        return steps.append

    LevelProbes(ALL, data, Store(tmp_path).probed).measure(trained[1][1][:2], monitor)
    assert announced == [("level 1, probes", 62)] and sorted(steps) == steps and set(steps) == set(range(1, 63))


def test_consecutive_tickets_are_compared_each_under_its_own_mask(trained, data):
    store, by_level = trained
    probes = LevelProbes([BETWEEN], data, store.probed)
    rows = [measure(probes, outcomes[:2]).probes for outcomes in by_level]
    filled = [row for level_rows in rows for row in level_rows if row[TO_PREVIOUS[0]] is not None]
    assert [(row["level"], row["arm"]) for row in filled] == [(1, "ticket"), (2, "ticket")]
    dense, before, ticket = (outcomes[0].result for outcomes in by_level)
    path = interpolate(by_level[2][0].spec.model, ticket.final, before.final, data)
    expected = [path.barrier("train"), path.error_barrier("train"), path.barrier("test"), path.error_barrier("test")]
    expected += [ticket.points[-1].test_accuracy - dense.points[-1].test_accuracy]
    assert [rows[2][0][name] for name in TO_PREVIOUS] == expected
    skipping = LevelProbes([BETWEEN], data, store.probed)
    assert measure(skipping, by_level[0][:1]).probes and measure(skipping, by_level[2][:1]).probes
    assert measure(skipping, by_level[2][:1]).probes[0][TO_PREVIOUS[0]] is None  # level 1 was not trained


def test_the_diverged_have_no_row_and_a_lost_ticket_is_not_compared_with(trained, data):
    ticket, *others = trained[1][1]
    lost = replace(ticket, result=replace(ticket.result, status="diverged", states={}))
    probes = LevelProbes(["agreement"], data, trained[0].probed)
    rows = measure(probes, [lost, *others]).probes
    assert [row["arm"] for row in rows] == [outcome.arm for outcome in others]
    assert all(row["disagreement_with_ticket"] is None for row in rows)
    assert rows[0]["disagreement_with_pruned"] is not None
    assert not measure(probes, [lost]).probes


def test_the_pruned_solution_answers_with_statistics_of_its_own(make_job, make_rich_network, data, tmp_path):
    """BatchNorm's were of the network before it was pruned; those on lines are taken anew too."""
    model = make_rich_network()
    dense = make_job(model=model, initial_state=initialize(model, "default", 0))
    store = Store(tmp_path)
    _, level = levels(dense, resolve(model, Pruning(fraction=0.5), 1), store.train)
    (outcome,) = outcomes(
        [level], ["ticket"], store.train, context_of(model, dense.initial_state, lambda seed: {}, Rewiring())
    )
    solution = Peers([outcome], data).solution
    level_rows = measure(LevelProbes(["interpolation"], data, store.probed), [outcome])
    (last,) = (row["accuracy"] for row in level_rows.lines if (row["split"], row["alpha"]) == ("test", 1.0))
    assert 1 - disagreement(solution.logits, data.test.labels) == pytest.approx(last, abs=1e-12)
    assert not torch.equal(solution.logits, logits_of(model, solution.state, data.test))


def test_the_keys_that_values_are_kept_under_stay_the_same(trained, data):
    """So that what earlier versions have measured is found."""
    keys = {}

    def remember(run, key, compute):
        keys.setdefault(run, []).append(key)
        return compute()

    ticket, *others = trained[1][1]
    second = next(one for one in others if (one.arm, one.draw) == ("reinit", 1))
    first = next(one for one in others if (one.arm, one.draw) == ("reinit", 0))
    measure(LevelProbes(ALL, data, remember, 20), [ticket, first, second])
    solution, of_ticket, of_draw = (
        digest(state)
        for state in (masked(ticket.level.source, ticket.level.spec.mask), ticket.result.final, first.result.final)
    )
    places = f"alphas={list(line())} splits=['train', 'test'] examples=20"
    assert keys[second.result.run] == [
        f"distance to init and {solution}",
        f"interpolation from end to {solution} {places}",
        f"agreement on test with {solution}",
        f"agreement on test with {of_ticket}",
        f"agreement on test with the draws {of_draw}",
    ]
