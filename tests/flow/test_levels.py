"""Looks at levels: the values of the pure probes, what is zero by law, and nothing computed a second time."""

from dataclasses import replace
from itertools import groupby

import pytest
import torch

from lth.analysis.agreement import agreement, disagreement, logits_of, symmetric_kl
from lth.analysis.connectivity import interpolate, line
from lth.analysis.geometry import cosine_distance, l2_distance
from lth.core.errors import SettingError
from lth.core.weights import masked
from lth.flow import levels as module
from lth.flow import solution as lines_module
from lth.flow.levels import LINES, METRICS, PROBES, LevelLooks, Networks
from lth.lottery.arms import outcomes
from lth.lottery.context import context_of
from lth.lottery.levels import levels
from lth.models.initialize import initialize
from lth.pruning.resolved import resolve
from lth.pruning.schedule import Pruning
from lth.pruning.updates import Rewiring
from lth.store.runs import Store
from lth.training.gradient import examples

ALL = list(METRICS)
ARMS = ("ticket", "reinit", "shuffle", "small_dense", "restart", "set")


def unwatched(what, count):
    return lambda seen: None


@pytest.fixture(scope="module")
def trained(tmp_path_factory, make_job):
    """The store and the outcomes of levels 0 to 2, by level: six arms, two draws each."""
    store, spec = Store(tmp_path_factory.mktemp("store")), make_job()
    fresh = lambda seed: initialize(spec.model, "glorot_normal", seed)  # noqa: E731
    context = context_of(spec.model, spec.initial_state, fresh, Rewiring(0.3, 10))
    rounds = levels(spec, resolve(spec.model, Pruning(fraction=0.3), 2), store.train)
    found = outcomes(rounds, ARMS, store.train, context, draws=2)
    return store, [list(each) for _, each in groupby(found, key=lambda outcome: outcome.level.index)]


@pytest.fixture(scope="module")
def seen(trained, data):
    """What all probes see at each level."""
    store, found = trained
    looks = LevelLooks(ALL, data, store)
    return [looks.at(outcomes, unwatched) for outcomes in found]


def test_a_row_for_every_arm_and_draw_and_58_points_of_each_line(trained, seen):
    for level, at in zip(trained[1], seen, strict=True):
        assert [(row["arm"], row["draw"], row["run"]) for row in at.probes] == [
            (outcome.arm, outcome.draw, outcome.result.run) for outcome in level
        ]
        assert all(list(row) == PROBES and row["density"] == level[0].level.density for row in at.probes)
        assert all(list(row) == LINES for row in at.lines)
        compared = [row for row in at.probes if row["test_loss_barrier"] is not None]
        assert len(at.lines) == 58 * len(compared) and len(compared) == (8 if level[0].level.index else 0)


def test_the_values_are_those_of_the_pure_probes(trained, seen, data):
    outcomes = trained[1][2]
    level, model = outcomes[0].level, outcomes[0].spec.model
    solution = masked(level.source, level.spec.mask)
    answers = {(one.arm, one.draw): one for one in outcomes if one.arm != "small_dense"}
    logits = {key: logits_of(model, one.result.final, data.test) for key, one in answers.items()}
    reference = logits_of(model, solution, data.test)
    for row in seen[2].probes:
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
        draws = [row for row in seen[2].probes if row["arm"] == arm]
        whole = agreement([logits[arm, 0], logits[arm, 1]], data.test.labels)
        assert {row["ensemble_accuracy"] for row in draws} == {whole.ensemble}
        assert sum(row["disagreement_between_draws"] for row in draws) / 2 == whole.disagreement.mean


def test_lines_lead_from_each_network_under_its_own_mask_to_the_pruned_solution(trained, seen, data):
    for outcome in trained[1][1]:
        own = [row for row in seen[1].lines if row["run"] == outcome.result.run and row["split"] == "test"]
        if outcome.arm == "small_dense":
            assert not own
            continue
        assert tuple(row["alpha"] for row in own) == line()
        accuracy = {row["alpha"]: row["accuracy"] for row in own}
        assert accuracy[0.0] == outcome.result.points[-1].test_accuracy
        assert accuracy[1.0] == accuracy_of(outcome, masked(outcome.level.source, outcome.level.spec.mask), data)


def accuracy_of(outcome, state, data):
    return 1 - disagreement(logits_of(outcome.spec.model, state, data.test), data.test.labels)


def test_what_was_not_compared_is_empty(seen):
    own_start = set(PROBES[:6]) - {"line_examples"} | {"distance_to_init", "cosine_distance_to_init"}
    rows = {(at.probes[0]["level"], row["arm"]): row for at in seen for row in at.probes}
    filled = {key: {name for name, value in row.items() if value is not None} for key, row in rows.items()}
    assert filled[0, "ticket"] == filled[1, "small_dense"] == own_start
    with_ticket = {"disagreement_with_ticket", "kl_with_ticket"}
    of_draws = {"disagreement_between_draws", "ensemble_accuracy"}
    everything = set(PROBES) - {"line_examples"}
    assert filled[1, "ticket"] == everything - with_ticket - of_draws
    assert filled[1, "restart"] == everything - of_draws and filled[1, "reinit"] == everything


def test_restart_begins_at_the_pruned_solution(seen):
    for at in seen[1:]:
        (row,) = (row for row in at.probes if row["arm"] == "restart")
        assert row["distance_to_init"] == row["distance_to_pruned"] > 0
        assert row["cosine_distance_to_init"] == row["cosine_distance_to_pruned"] > 0


def test_the_pruned_solution_itself_is_at_no_distance_from_it(trained, data):
    """A ticket that relearned exactly what was pruned: nothing lies between the two, and they agree."""
    store, found = trained
    ticket = found[1][0]
    solution = masked(ticket.level.source, ticket.level.spec.mask)
    same = replace(ticket, result=replace(ticket.result, states={"final": solution}, run=""))
    (row,) = LevelLooks(ALL, data, store).at([same], unwatched).probes
    exact, mixed = ([row[name] for name in PROBES if name.endswith(ending)] for ending in ("_with_pruned", "_barrier"))
    assert exact == [0, 0] and row["distance_to_pruned"] == row["cosine_distance_to_pruned"] == 0
    assert mixed == pytest.approx([0] * 4, abs=1e-6)  # a mixture of equal weights is equal up to rounding


def test_the_second_time_nothing_is_computed(trained, seen, data, monkeypatch):
    store = Store(trained[0].folder)
    for where, name in (
        (module, "logits_of"),
        (lines_module, "interpolate"),
        (lines_module, "l2_distance"),
        (lines_module, "cosine_distance"),
    ):
        monkeypatch.setattr(where, name, lambda *_, **__: pytest.fail("computed"))
    looks = LevelLooks(ALL, data, store)
    assert [looks.at(outcomes, unwatched) for outcomes in trained[1]] == seen
    assert not store.looked and trained[0].looked == {row["run"] for at in seen for row in at.probes}


def test_one_probe_alone_gives_its_own_columns_as_all_do(trained, seen, data):
    for probe, metrics in METRICS.items():
        at = LevelLooks([probe], data, trained[0]).at(trained[1][1], unwatched)
        for row, whole in zip(at.probes, seen[1].probes, strict=True):
            others = {name for name in PROBES[6:] if name not in metrics}
            assert all(row[name] == whole[name] for name in metrics) and all(row[name] is None for name in others)
        assert list(at.lines) == (list(seen[1].lines) if probe == "interpolation" else [])
    assert not LevelLooks([], data, trained[0]).at(trained[1][1], lambda *_: pytest.fail("watched")).probes


def test_lines_on_some_examples_are_another_question(trained, seen, data):
    ticket = trained[1][1][0]
    at = LevelLooks(["interpolation"], data, trained[0], 20).at([ticket], unwatched)
    few = replace(data, train=examples(data.train, 20), test=examples(data.test, 20))
    path = interpolate(ticket.spec.model, ticket.result.final, masked(ticket.level.source, ticket.level.spec.mask), few)
    assert at.probes[0]["train_loss_barrier"] == path.barrier("train") and at.probes[0]["line_examples"] == 20
    assert [row["loss"] for row in at.lines if row["split"] == "test"] == [score.loss for score in path.scores["test"]]
    assert at.lines != seen[1].lines[: len(at.lines)]


def test_progress_counts_every_look(trained, data, tmp_path):
    told, asked = [], []

    def watch(what, count):
        asked.append((what, count))
        return told.append

    LevelLooks(ALL, data, Store(tmp_path)).at(trained[1][1][:2], watch)
    assert asked == [("level 1, probes", 58)] and sorted(told) == told and set(told) == set(range(1, 59))


def test_the_diverged_have_no_row_and_a_lost_ticket_is_not_compared_with(trained, data):
    ticket, *others = trained[1][1]
    lost = replace(ticket, result=replace(ticket.result, status="diverged", states={}))
    looks = LevelLooks(["agreement"], data, trained[0])
    rows = looks.at([lost, *others], unwatched).probes
    assert [row["arm"] for row in rows] == [outcome.arm for outcome in others]
    assert all(row["disagreement_with_ticket"] is None for row in rows)
    assert rows[0]["disagreement_with_pruned"] is not None
    assert not looks.at([lost], unwatched).probes


def test_the_pruned_solution_answers_with_statistics_of_its_own(make_job, make_rich_network, data, tmp_path):
    """BatchNorm's were of the network before it was pruned; those on lines are taken anew too."""
    model = make_rich_network()
    dense = make_job(model=model, initial_state=initialize(model, "default", 0))
    store = Store(tmp_path)
    _, level = levels(dense, resolve(model, Pruning(fraction=0.5), 1), store.train)
    (outcome,) = outcomes(
        [level], ["ticket"], store.train, context_of(model, dense.initial_state, lambda seed: {}, Rewiring())
    )
    networks = Networks([outcome], data)
    at = LevelLooks(["interpolation"], data, store).at([outcome], unwatched)
    (last,) = (row["accuracy"] for row in at.lines if (row["split"], row["alpha"]) == ("test", 1.0))
    answers = networks.logits(networks.pruned)
    assert 1 - disagreement(answers, data.test.labels) == pytest.approx(last, abs=1e-12)
    assert not torch.equal(answers, logits_of(model, networks.states[networks.pruned], data.test))


def test_an_unknown_probe_is_named_with_those_that_are_known(data, tmp_path):
    with pytest.raises(SettingError, match="probes=luck: unknown; known: distance, interpolation, agreement"):
        LevelLooks(["distance", "luck"], data, Store(tmp_path))
