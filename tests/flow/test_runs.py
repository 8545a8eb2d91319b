"""The trainings of Evci et al. 2022 on a small network: what differs within a row, and who trains what."""

import fcntl
from dataclasses import replace

import pytest
import torch

from lth.core.errors import LotteryError, SettingError
from lth.core.rng import rng
from lth.core.weights import masked
from lth.flow.looks import Looks, layer_scaled, random_mask, signal_rows
from lth.flow.runs import INITS, compare, share
from lth.models.initialize import LayerScaled, glorot_normal, initialize
from lth.pruning.mask import kept, prunable
from lth.pruning.updates import GradualPruning
from lth.store.question import hash_of, question
from lth.store.runs import Store


def test_the_runs_of_a_row_differ_in_their_data_order_alone(compared, same_bits):
    for arm in ("ticket", "reinit", "reinit_plus", "restart", "small_dense", "set", "rigl"):
        first, second = (outcome.job for outcome in compared.outcomes[arm])
        assert same_bits(first.start, second.start) and same_bits(first.mask, second.mask), arm
        assert replace(first.seeds, order=0) == replace(second.seeds, order=0)
        assert first.seeds.order != second.seeds.order and 0 not in (first.seeds.order, second.seeds.order)
        runs = {outcome.trace.run for outcome in compared.outcomes[arm]}
        assert len(runs) == 2
    orders = {tuple(outcome.job.seeds.order for outcome in compared.outcomes[arm]) for arm in ("ticket", "rigl")}
    assert len(orders) == 1  # the same orders in every row


def test_every_row_starts_from_its_own_weights_under_one_mask(compared, same_bits):
    job = {arm: outcomes[0].job for arm, outcomes in compared.outcomes.items()}
    assert same_bits(job["ticket"].start, job["pruned"].start) and same_bits(
        job["restart"].start, compared.solution.final
    )
    assert not same_bits(job["reinit"].start, job["ticket"].start)
    others = [outcome.job for outcome in compared.outcomes["reinit_other_inits"]]
    assert same_bits(others[0].start, job["reinit"].start) and not same_bits(others[1].start, others[0].start)
    for arm in ("ticket", "reinit", "reinit_other_inits", "reinit_plus", "restart", "set", "rigl_plus"):
        assert same_bits(job[arm].mask, compared.mask), arm
    counts = {name: round(0.2 * mask.numel()) for name, mask in compared.mask.items()}
    assert kept(compared.mask) == counts
    assert all(kept(one.trace.mask(one.job.mask)) == counts for one in compared.outcomes["rigl"])


def test_other_pruned_solutions_have_other_masks(compared, same_bits):
    masks = [outcome.trace.mask({}) for outcome in compared.outcomes["pruned_other_seeds"]]
    assert not same_bits(masks[0], masks[1]) and not same_bits(masks[0], compared.mask)
    assert [outcome.job.seeds.init for outcome in compared.outcomes["pruned_other_seeds"]] == [1, 2]


def test_only_what_is_asked_is_trained(asked, tmp_path):
    store = Store(tmp_path)
    found = compare(asked(inits=["scratch"], methods=["set"], repeats=1), store, lambda arm, number: store.train)
    assert list(found.outcomes) == ["pruned", "reinit", "set"] and len(store.trained) == 3


def test_what_another_process_is_training_comes_last(asked, tmp_path):
    store, job = Store(tmp_path), asked().job
    jobs = [("ticket", n, replace(job, seeds=replace(job.seeds, order=n))) for n in range(3)]
    path = store.path(hash_of(question(jobs[0][2]))).with_suffix(".lock")
    path.parent.mkdir(parents=True)
    assert not store.busy(jobs[0][2])
    file, order = path.open("w"), []
    fcntl.flock(file, fcntl.LOCK_EX)
    assert store.busy(jobs[0][2]) and not store.busy(jobs[1][2])

    def fit(arm, number):
        order.append(number)
        if len(order) == 2:
            file.close()  # the other process is done
        return store.train

    assert set(share(jobs, store, fit)) == {("ticket", n) for n in range(3)} and order == [1, 2, 0]


def test_what_cannot_be_done_is_said_before_anything_is_trained(asked, tmp_path):
    store = Store(tmp_path)

    def never(arm, number):
        raise AssertionError("it was trained")

    for changes, message in (
        ({"inits": ["luck"]}, "inits=luck: unknown"),
        ({"methods": ["snip"]}, "methods=snip: unknown"),
        ({"gradual": GradualPruning(0.01, 5, 15, 5)}, "layer collapse"),
        ({"gradual": GradualPruning(0.2, 5, 30, 5)}, "gradual.end=30"),
    ):
        with pytest.raises(SettingError, match=message.replace("(", r"\(")):
            compare(asked(**changes), store, never)


def test_without_a_pruned_solution_there_is_no_mask(asked, tmp_path):
    store, whole = Store(tmp_path), asked()
    broken = replace(whole.job, plan=replace(whole.job.plan, lr=1e30, optimizer="sgd"))
    with pytest.raises(LotteryError, match="so there is no mask"):
        compare(replace(whole, job=broken, inits=[], methods=[]), store, lambda arm, number: store.train)


def test_the_table_is_that_of_the_networks(compared, store, data):
    looks = Looks(compared, data, store)
    rows = {row["init"]: row for row in looks.table()}
    assert list(rows) == list(INITS) and rows == {row["init"]: row for row in looks.table()}
    for init, arm in INITS.items():
        accuracies = [outcome.trace.points[-1].test_accuracy for outcome in compared.outcomes[arm]]
        assert rows[init]["seeds"] == len(accuracies)
        assert rows[init]["test_accuracy"] == pytest.approx(sum(accuracies) / len(accuracies), abs=1e-12)
    pruned = rows["pruned"]
    assert pruned["disagreement_with_pruned"] == 0 == pruned["distance_to_pruned"] and pruned["disagreement"] is None


def test_the_agreement_of_runs_averages_to_the_table(compared, store, data):
    looks = Looks(compared, data, store)
    rows, table = looks.agreement(), {row["init"]: row for row in looks.table()}
    for init, arm in INITS.items():
        own = [row for row in rows if row["init"] == init]
        assert [row["draw"] for row in own] == [outcome.draw for outcome in compared.outcomes[arm]]
        for column in ("disagreement", "disagreement_with_pruned"):
            values = [row[column] for row in own]
            assert values == [None] or table[init][column] == pytest.approx(sum(values) / len(values))
    (pruned,) = [row for row in rows if row["init"] == "pruned"]
    assert pruned["kl_with_pruned"] == 0 and pruned["kl"] is None


def test_lines_begin_and_end_at_the_networks_themselves(compared, store, data):
    rows = Looks(compared, data, store).lines()
    ends = {
        (row["init"], row["at"], row["draw"]): row["accuracy"]
        for row in rows
        if row["split"] == "test" and row["alpha"] == 0
    }
    assert len(ends) == 6  # two starts, and the ends of two runs each
    for init in ("lottery", "scratch"):
        for outcome in compared.outcomes[INITS[init]]:
            assert ends[init, "end", outcome.draw] == outcome.trace.points[-1].test_accuracy
    assert len({row["loss"] for row in rows if row["alpha"] == 1 and row["split"] == "train"}) == 1
    few = Looks(compared, data, store, 10).lines()
    assert len(few) == len(rows) and few != rows


def test_distances_and_updates(compared, store, data):
    looks = Looks(compared, data, store)
    rows = {(row["arm"], row["draw"], row["to"]): row for row in looks.distances()}
    assert rows["pruned", 0, "pruned"]["l2"] == 0 and ("small_dense", 0, "pruned") not in rows
    start = masked(compared.start, compared.mask)
    final = compared.outcomes["ticket"][1].trace.final
    squares = sum(float((start[name] - final[name]).double().square().sum()) for name in start)
    assert rows["ticket", 1, "init"]["l2"] == pytest.approx(squares**0.5)
    assert looks.updates() == []  # nobody looked


def test_a_random_mask_has_its_counts_and_at_least_one_weight(make_network):
    layers = prunable(make_network())
    for density in (1.0, 0.3, 1e-6):
        counts = kept(random_mask(layers, density, 0, 0))
        assert counts == {layer.name: max(1, round(density * layer.size)) for layer in layers}
    first, second = (random_mask(layers, 0.3, 0, draw) for draw in (0, 1))
    assert any(not torch.equal(first[name], second[name]) for name in first)


def test_layer_scaled_is_the_initialiser_of_that_name(make_network):
    model = make_network()
    mask = random_mask(prunable(model), 0.25, 0, 0)
    state = initialize(model, "glorot_normal", 3)
    scaled = layer_scaled(state, mask)
    for name, module in (("fc1.weight", model.fc1), ("output.weight", model.output)):
        own = LayerScaled(glorot_normal)(module, mask[name], rng(3, "init", *name.rsplit(".", 1)))
        assert torch.allclose(scaled[name], own)
    assert torch.equal(scaled["fc1.bias"], state["fc1.bias"])


def test_the_signal_fades_with_the_dense_initialiser_alone(make_network, data):
    model = make_network()
    rows = signal_rows(model, lambda seed: initialize(model, "glorot_normal", seed), data, 0, 2)
    std = {
        (init, sparsity): sum(r["std"] for r in rows if (r["init"], r["sparsity"]) == (init, sparsity)) / 2
        for init, sparsity in {(row["init"], row["sparsity"]) for row in rows}
    }
    assert std["dense", 0.8] < 0.3 * std["dense", 0.0] and std["sparsity_aware", 0.8] > 0.5 * std["sparsity_aware", 0.0]
    assert std["dense", 0.0] == std["layer_scaled", 0.0]
