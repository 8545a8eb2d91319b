"""The trainings of Evci et al. 2022 on a small network: what differs within a row, and who trains what."""

import fcntl
from dataclasses import replace

import pytest
from lth.experiments.gradient_flow.plan import GLOROT, LEVEL, Training
from lth.experiments.gradient_flow.trainings import share, train_plan

from lth.core.errors import LotteryError, SettingError
from lth.core.rng import address
from lth.models.initialize import initialize
from lth.pruning.mask import kept
from lth.pruning.updates import GradualPruning
from lth.store.fingerprint import fingerprint, fingerprint_inputs
from lth.store.runs import Store


def test_the_runs_of_a_row_differ_in_their_data_order_alone(trained, same_bits):
    for arm in ("ticket", "reinit", "reinit_plus", "restart", "small_dense", "set", "rigl"):
        first, second = (outcome.spec for outcome in trained.outcomes[arm])
        assert same_bits(first.initial_state, second.initial_state) and same_bits(first.mask, second.mask), arm
        assert replace(first.seeds, order=0) == replace(second.seeds, order=0)
        assert first.seeds.order != second.seeds.order and 0 not in (first.seeds.order, second.seeds.order)
        runs = {outcome.result.run for outcome in trained.outcomes[arm]}
        assert len(runs) == 2
    one_init = [outcome.spec for outcome in trained.outcomes["reinit_one_init"]]
    assert [fingerprint(fingerprint_inputs(x)) for x in one_init] == [
        outcome.result.run for outcome in trained.outcomes["reinit"]
    ]
    orders = {tuple(outcome.spec.seeds.order for outcome in trained.outcomes[arm]) for arm in ("ticket", "rigl")}
    assert len(orders) == 1  # the same orders in every row


def test_every_row_starts_from_its_own_weights_under_one_mask(trained, same_bits):
    spec = {arm: outcomes[0].spec for arm, outcomes in trained.outcomes.items()}
    assert same_bits(spec["ticket"].initial_state, spec["pruned"].initial_state) and same_bits(
        spec["restart"].initial_state, trained.solution.final
    )
    assert not same_bits(spec["reinit"].initial_state, spec["ticket"].initial_state)
    others = [outcome.spec for outcome in trained.outcomes["reinit_other_inits"]]
    assert same_bits(others[0].initial_state, spec["reinit"].initial_state) and not same_bits(
        others[1].initial_state, others[0].initial_state
    )
    for arm in ("ticket", "reinit", "reinit_other_inits", "reinit_plus", "restart", "set", "rigl_plus"):
        assert same_bits(spec[arm].mask, trained.mask), arm
    counts = {name: round(0.2 * mask.numel()) for name, mask in trained.mask.items()}
    assert kept(trained.mask) == counts
    assert all(kept(one.result.mask(one.spec.mask)) == counts for one in trained.outcomes["rigl"])


def test_redrawn_runs_start_from_draws_of_their_own(make_plan, trained, same_bits):
    def specs(arm, **changes):
        return [make_plan(**changes).training(arm, number, trained.level).spec for number in (0, 1)]

    def runs(*trainings):
        return [fingerprint(fingerprint_inputs(spec)) for spec in trainings]

    for arm in ("reinit", "reinit_plus", "reinit_plus_glorot", "small_dense", "set", "set_plus", "rigl", "rigl_plus"):
        shared, own = specs(arm), specs(arm, redraw=True)
        assert runs(shared[0]) == runs(own[0]) and shared[1].seeds.order == own[1].seeds.order, arm
        assert same_bits(shared[1].initial_state, own[0].initial_state), arm
        assert not same_bits(own[1].initial_state, own[0].initial_state), arm
    for arm in ("ticket", "restart", "reinit_one_init", "reinit_other_inits"):
        assert runs(*specs(arm)) == runs(*specs(arm, redraw=True)), arm
    assert runs(*specs("reinit", redraw=True)) == runs(*specs("reinit_other_inits"))


def test_the_authors_configuration_is_the_initialiser_of_that_name(make_plan, trained, make_network, same_bits):
    training = make_plan().training("reinit_plus_glorot", 0, trained.level)
    seed = address(trained.level.spec.seeds.init, "reinit_plus", LEVEL, 0)
    expected = initialize(make_network(), GLOROT, seed, trained.mask)
    assert same_bits(training.spec.initial_state, expected) and same_bits(training.spec.mask, trained.mask)


def test_other_pruned_solutions_have_other_masks(trained, same_bits):
    masks = [outcome.result.mask({}) for outcome in trained.outcomes["pruned_other_seeds"]]
    assert not same_bits(masks[0], masks[1]) and not same_bits(masks[0], trained.mask)
    assert [outcome.spec.seeds.init for outcome in trained.outcomes["pruned_other_seeds"]] == [1, 2]


def test_only_what_the_plan_names_is_trained(make_plan, tmp_path):
    store = Store(tmp_path)
    outcomes = train_plan(
        make_plan(inits=["scratch"], methods=["set"], repeats=1), store, lambda training: store.train(training.spec)
    )
    assert list(outcomes.outcomes) == ["pruned", "reinit", "set"] and len(store.trained) == 3


def test_what_another_process_is_training_comes_last(make_plan, tmp_path):
    store, spec = Store(tmp_path), make_plan().spec
    trainings = [Training("ticket", n, replace(spec, seeds=replace(spec.seeds, order=n))) for n in range(3)]
    path = store.path(fingerprint(fingerprint_inputs(trainings[0].spec))).with_suffix(".lock")
    path.parent.mkdir(parents=True)
    assert not store.busy(trainings[0].spec)
    file, order = path.open("w"), []
    fcntl.flock(file, fcntl.LOCK_EX)
    assert store.busy(trainings[0].spec) and not store.busy(trainings[1].spec)

    def fit(training):
        order.append(training.number)
        if len(order) == 2:
            file.close()  # the other process is done
        return store.train(training.spec)

    assert set(share(trainings, store, fit)) == {("ticket", n) for n in range(3)} and order == [1, 2, 0]


def test_what_cannot_be_done_is_said_before_anything_is_trained(make_plan, tmp_path):
    store = Store(tmp_path)

    def never(training):
        raise AssertionError("it was trained")

    for changes, message in (
        ({"inits": ["luck"]}, "inits=luck: unknown"),
        ({"methods": ["snip"]}, "methods=snip: unknown"),
        ({"gradual": GradualPruning(0.01, 5, 15, 5)}, "layer collapse"),
        ({"gradual": GradualPruning(0.2, 5, 30, 5)}, "gradual.end=30"),
    ):
        with pytest.raises(SettingError, match=message.replace("(", r"\(")):
            train_plan(make_plan(**changes), store, never)


def test_without_a_pruned_solution_there_is_no_mask(make_plan, tmp_path):
    store, plan = Store(tmp_path), make_plan()
    broken = replace(plan.spec, plan=replace(plan.spec.plan, lr=1e30, optimizer="sgd"))
    with pytest.raises(LotteryError, match="so there is no mask"):
        train_plan(replace(plan, spec=broken, inits=[], methods=[]), store, lambda training: store.train(training.spec))
