"""The Python interface: a ticket of one's own network on one's own tensors."""

import random
import sys

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import lth
from lth.lottery import controls
from lth.lottery.arms import ARMS, Arm
from lth.lottery.context import FreshInit
from lth.lottery.plan import ImpPlan
from lth.models.initialize import initialize
from lth.pruning.updates import Rewiring
from lth.report.rows import result_row
from lth.searching import search
from lth.training.run_result import RunResult


@pytest.fixture
def searched(make_network, tensors):
    model = make_network()
    train, test = ((tensors[f"{part}_images"], tensors[f"{part}_labels"]) for part in ("train", "test"))
    before = {name: x.clone() for name, x in model.state_dict().items()}
    recipe = lth.Recipe(iterations=30, batch_size=20, lr=0.01, evaluate_every=10)
    search = lth.find_ticket(model, train, test, levels=3, recipe=recipe, arms=("ticket", "reinit"))
    return search, model, before


class Orthogonal(nn.Module):
    """A network that draws its weights in its own way."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(36, 36), nn.Linear(36, 3)
        nn.init.orthogonal_(self.first.weight)

    def forward(self, x):
        return self.last(self.first(x.flatten(1)).relu())


def orthogonal(state):
    weight = state["first.weight"]
    return torch.allclose(weight @ weight.T, torch.eye(36), atol=1e-5)


def test_a_network_that_is_built_anew_keeps_its_own_way_to_draw(tensors):
    train, test = ((tensors[f"{part}_images"], tensors[f"{part}_labels"]) for part in ("train", "test"))
    how = {"levels": 1, "recipe": lth.Recipe(iterations=5), "arms": ["ticket", "reinit"]}
    search = lth.find_ticket(Orthogonal, train, test, **how)
    assert orthogonal(search.best.state)
    again = lth.find_ticket(Orthogonal, train, test, **how)
    assert torch.equal(again.best.state["first.weight"], search.best.state["first.weight"])
    other = lth.find_ticket(Orthogonal, train, test, **how, seed=1)
    assert not torch.equal(other.best.state["first.weight"], search.best.state["first.weight"])


def test_a_fresh_network_is_that_of_its_seed():
    fresh = FreshInit(Orthogonal, "default")
    model = fresh.constructed(3)
    assert torch.equal(fresh(3)["first.weight"], model.first.weight) and orthogonal(fresh(4))
    assert not torch.equal(fresh(4)["first.weight"], fresh(3)["first.weight"])
    assert not orthogonal(FreshInit(Orthogonal, "glorot_normal")(3))


def test_the_default_pruning_is_that_of_the_command_line(searched):
    search, _, _ = searched
    kept = [int(level.spec.mask["output.weight"].sum()) for level in search.levels]
    assert kept == [24, 22, 20, 18]


def test_a_diverged_level_is_never_the_best(tensors, make_network, wild_rate):
    train, test = ((tensors[f"{part}_images"], tensors[f"{part}_labels"]) for part in ("train", "test"))
    for validation in (None, 0):
        recipe = lth.Recipe(iterations=5, optimizer="sgd")
        search = lth.find_ticket(make_network(), train, test, levels=2, recipe=recipe, validation=validation)
        assert search.best.provenance["level"] == 0 and search.rows[0]["status"] == "diverged"


def test_the_model_is_left_as_it_was_and_its_weights_are_the_start(searched):
    search, model, before = searched
    assert all(torch.equal(x, before[name]) for name, x in model.state_dict().items())
    assert all(torch.equal(x, before[name]) for name, x in search.tickets[-1].state.items())


def test_levels_rows_and_best(searched):
    search, _, _ = searched
    assert [level.index for level in search.levels] == [0, 1, 2, 3]
    assert [(row["level"], row["arm"]) for row in search.rows][:3] == [(0, "ticket"), (1, "ticket"), (1, "reinit")]
    accuracies = [level.result.early_stop.val_accuracy for level in search.levels]
    best = search.best.provenance["level"]
    assert accuracies[best] >= accuracies[0] and all(x < accuracies[0] for x in accuracies[best + 1 :])


def test_the_ticket_survives_its_file(searched, tmp_path):
    search, model, _ = searched
    path = search.best.save(tmp_path / "ticket.safetensors")
    loaded = lth.load_ticket(path)
    loaded.apply(model)
    for name, kept in search.best.mask.items():
        assert torch.equal(loaded.mask[name], kept)
        assert not model.state_dict()[name][~kept].any()


class Scaled(nn.Module):
    """A network with a parameter of its own that nothing draws anew."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(36, 8), nn.Linear(8, 3)
        self.scale = nn.Parameter(torch.ones(8))

    def forward(self, x):
        return self.last(self.scale * self.first(x.flatten(1)).relu())


def test_a_redrawn_network_has_nothing_of_a_trained_one(tensors, tmp_path):
    train, test = ((tensors[f"{part}_images"], tensors[f"{part}_labels"]) for part in ("train", "test"))
    starts = []

    class Spy(lth.Store):
        def train(self, spec, *more):
            starts.append(spec.initial_state["scale"])
            return super().train(spec, *more)

    recipe = lth.Recipe(iterations=20, lr=0.1)
    lth.find_ticket(Scaled(), train, test, levels=1, recipe=recipe, arms=("ticket", "reinit"), store=Spy(tmp_path))
    assert len(starts) == 3 and all(torch.equal(scale, torch.ones(8)) for scale in starts)


def test_a_store_makes_the_second_search_free(make_network, tensors, tmp_path):
    train, test = ((tensors[f"{part}_images"], tensors[f"{part}_labels"]) for part in ("train", "test"))
    torch.manual_seed(0)
    model = make_network()
    store = lth.Store(tmp_path)
    for trained in (3, 3):
        search = lth.find_ticket(model, train, test, levels=2, recipe=lth.Recipe(iterations=20), store=store)
        assert len(store.trained) == trained
    assert search.rows[0]["run"]


@pytest.mark.parametrize("schedule", ["iterative", "one_shot"])
@pytest.mark.parametrize(("arm_levels", "draws"), [(None, 1), ([2], 2), ([1, 3, 3], 1), ([], 3)])
@pytest.mark.parametrize("arms", [["ticket"], ["ticket", "reinit", "finetune"], ["scratch", "shuffle", "restart"]])
def test_as_many_trainings_are_planned_as_are_done(make_job, make_network, schedule, arm_levels, draws, arms):
    model = make_network()
    spec = make_job(model=model)
    pruning = lth.Pruning(schedule=schedule, fraction=0.3)
    plan = ImpPlan(lth.Recipe(iterations=5, batch_size=20), pruning, 3, 0, arms, arm_levels, draws)
    result = RunResult(0, 5, states={"final": spec.initial_state})
    fresh = lambda seed: initialize(model, "glorot_normal", seed)  # noqa: E731  # as short as the test
    trained = list(search(model, spec.initial_state, spec.data, spec.seeds, plan, lambda spec: result, fresh))
    assert len(trained) == plan.trainings
    levels = [outcome.level.index for outcome in trained if outcome.arm == "ticket"]
    all_levels = schedule == "iterative" or arm_levels is None
    assert levels == ([0, 1, 2, 3] if all_levels else [0, *sorted(set(arm_levels))])


def test_every_arm_trains_at_a_level_with_as_many_weights(make_job, make_network, tmp_path):
    model = make_network()
    spec = make_job(model=model)
    ours = {thing.name for thing in vars(controls).values() if isinstance(thing, Arm)}
    arms = [name for name in ARMS if name in ours]  # examples of the documentation add theirs
    how = {"arm_levels": [2], "rewiring": Rewiring(0.3, 2)}
    plan = ImpPlan(
        lth.Recipe(iterations=5, batch_size=20, schedule="cosine"), lth.Pruning(fraction=0.3), 2, 0, arms, **how
    )
    fresh = FreshInit(make_network, "glorot_normal")
    store = lth.Store(tmp_path)
    trained = list(search(model, spec.initial_state, spec.data, spec.seeds, plan, store.train, fresh))
    assert len(trained) == plan.trainings == len(store.trained) == 2 + len(arms)
    rows = {outcome.arm: result_row(outcome, {}) for outcome in trained if outcome.level.index == 2}
    assert list(rows) == arms and {row["density"] for row in rows.values()} == {trained[2].level.density}
    weights = {arm: row["weights_left"] for arm, row in rows.items()}
    assert abs(weights.pop("small_dense") - weights["ticket"]) < 20
    assert len({count for arm, count in weights.items() if not arm.startswith("dense_")}) == 1  # those have no mask


@pytest.mark.parametrize(
    ("arms", "fraction", "named"),
    [
        (["rigl"], 0.3, r"rewiring\.every=100: the mask would never change"),
        (["small_dense"], 0.95, r"arms=small_dense: one unit a layer has 40 weights"),
    ],
)
def test_an_arm_that_cannot_be_is_named_before_anything_is_trained(make_job, make_network, arms, fraction, named):
    model = make_network()
    spec = make_job(model=model)
    plan = ImpPlan(lth.Recipe(iterations=5, batch_size=20), lth.Pruning(fraction=fraction), 1, 0, arms)
    with pytest.raises(lth.LotteryError, match=named):
        search(
            model,
            spec.initial_state,
            spec.data,
            spec.seeds,
            plan,
            pytest.fail,
            lambda seed: initialize(model, "default", seed),
        )


def test_a_score_and_an_arm_from_outside_are_named_by_their_path(make_network, tensors, tmp_path, monkeypatch):
    """The results call the arm by the name of its function."""
    (tmp_path / "my_methods.py").write_text(
        "import lth\n\n@lth.score\ndef inverse(inputs):\n"
        "    return {name: -weight.abs() for name, weight in inputs.weights.items()}\n\n"
        "@lth.arm\ndef same(level, context):\n    return level.spec\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    train, test = ((tensors[f"{part}_images"], tensors[f"{part}_labels"]) for part in ("train", "test"))
    search = lth.find_ticket(
        make_network(),
        train,
        test,
        levels=1,
        recipe=lth.Recipe(iterations=20, batch_size=20),
        pruning=lth.Pruning(score="my_methods:inverse", fraction=0.5),
        arms=("ticket", "my_methods:same"),
    )
    assert [(row["level"], row["arm"]) for row in search.rows] == [(0, "ticket"), (1, "ticket"), (1, "same")]
    trained = search.levels[0].result.final["fc1.weight"].abs()
    mask = search.tickets[1].mask["fc1.weight"]
    assert trained[mask].max() <= trained[~mask].min()


def test_prune_takes_exactly_the_fraction(make_network):
    model = make_network()
    once = lth.prune(model, 0.5)
    twice = lth.prune(model, 0.5, once)
    for name, kept in once.items():
        assert int(kept.sum()) == kept.numel() - round(kept.numel() / 2)
        assert not (twice[name] & ~kept).any()


def test_a_model_that_does_not_fit_is_named(tensors):
    train, test = ((tensors[f"{part}_images"], tensors[f"{part}_labels"]) for part in ("train", "test"))
    with pytest.raises(lth.LotteryError, match="does not take images of shape"):
        lth.find_ticket(nn.Linear(5, 3), train, test, levels=1, recipe=lth.Recipe(iterations=5))
    with pytest.raises(lth.LotteryError, match="it should give"):
        model = nn.Sequential(nn.Flatten(), nn.Linear(36, 2))
        lth.find_ticket(model, train, test, levels=1, recipe=lth.Recipe(iterations=5))


KEPT = nn.Linear(36, 8)
TINY = lth.Recipe(iterations=5, batch_size=20)


class Wide(nn.Module):
    """A network that needs to be told its width."""

    def __init__(self, width):
        super().__init__()
        self.output = nn.Linear(width, 3)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("resnet18", "model is a str: give a torch.nn.Module, or a function that builds one"),
        (nn.Linear(2, 2).state_dict(), "model is an OrderedDict"),
        (Wide, r"model=Wide cannot be called without arguments .*'width'.*lambda: Wide\(\.\.\.\)"),
        (lambda: None, "does not give a torch.nn.Module, but None"),
        (lambda: Orthogonal, r"gives the class Orthogonal, and no network: call it, as Orthogonal\(\)"),
        (lambda: {}["weights"], r"model=<lambda> raised KeyError: 'weights' \(test_api\.py, line \d+\)"),
        (lambda: sys.exit(1), "model=<lambda> raised SystemExit: 1"),
        (lambda: nn.Sequential(nn.Flatten(), KEPT, nn.Linear(8, 3)), r"gives the same 1\.weight each time"),
        (lambda: nn.LazyLinear(3), "weight has no shape yet"),
    ],
)
def test_what_builds_no_network_is_one_line(tensors, model, message):
    train, test = ((tensors[f"{part}_images"], tensors[f"{part}_labels"]) for part in ("train", "test"))
    with pytest.raises(lth.LotteryError, match=message) as raised:
        lth.find_ticket(model, train, test, levels=1, recipe=TINY)
    assert "\n" not in str(raised.value)


def test_what_wraps_a_network_is_taken_off(tensors, make_network):
    train, test = ((tensors[f"{part}_images"], tensors[f"{part}_labels"]) for part in ("train", "test"))
    model = make_network()
    states = []
    for wrapped in (model, torch.compile(model), nn.DataParallel(model)):
        states.append(lth.find_ticket(wrapped, train, test, levels=1, recipe=TINY).levels[1].result.final)
    assert all(list(state) == list(model.state_dict()) for state in states)
    assert all(torch.equal(state[name], x) for state in states for name, x in states[0].items())


def test_a_loader_of_the_tensors_is_as_good_as_they_are(tensors, make_network):
    train, test = ((tensors[f"{part}_images"], tensors[f"{part}_labels"]) for part in ("train", "test"))
    loaders = [DataLoader(TensorDataset(*part), 16, shuffle=True) for part in (train, test)]
    model = make_network()
    first = lth.find_ticket(model, train, test, levels=0, recipe=TINY)
    second = lth.find_ticket(model, *loaders, levels=0, recipe=TINY)
    assert first.rows[0]["data_digest"] == second.rows[0]["data_digest"]
    assert torch.equal(first.levels[0].result.final["fc1.weight"], second.levels[0].result.final["fc1.weight"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"levels": "3"}, "levels='3': must be a whole number"),
        ({"levels": 1.5}, "levels=1.5: must be a whole number"),
        ({"seed": None}, "seed=None: must be a whole number"),
        ({"validation": 0.1}, "validation=0.1: must be a whole number"),
        ({"recipe": {"iterations": 5}}, "recipe is a dict: give a Recipe"),
        ({"pruning": "magnitude"}, "pruning is a str: give a Pruning"),
        ({"store": 3}, "store is an int: give a str or Path or Store"),
        ({"train": None}, "train is None"),
    ],
)
def test_an_argument_of_another_type_is_one_line(tensors, make_network, changes, message):
    train, test = ((tensors[f"{part}_images"], tensors[f"{part}_labels"]) for part in ("train", "test"))
    arguments = {"model": make_network, "train": train, "test": test, "levels": 1, "recipe": TINY} | changes
    with pytest.raises(lth.LotteryError, match=message):
        lth.find_ticket(**arguments)


def test_every_public_name_is_there():
    for name in lth.__all__:
        assert getattr(lth, name)
    with pytest.raises(AttributeError, match="nothing_of_that_name"):
        _ = lth.nothing_of_that_name


def test_rows_say_what_was_trained_by_which_seeds_and_where(tensors, make_network):
    train, test = ((tensors[f"{part}_images"], tensors[f"{part}_labels"]) for part in ("train", "test"))
    how = {"levels": 1, "recipe": lth.Recipe(iterations=5)}
    first, second = (lth.find_ticket(make_network, train, test, **how, seed=seed).rows[0] for seed in (0, 3))
    flipped = lth.find_ticket(make_network, (train[0], train[1].flip(0)), test, **how).rows[0]
    assert [second[f"seed_{name}"] for name in ("init", "order", "augment", "mask", "split")] == [3, 3, 3, 3, 0]
    assert first["architecture"] == second["architecture"] == flipped["architecture"]
    assert first["data_digest"] == second["data_digest"] != flipped["data_digest"]
    assert (first["torch"], first["threads"]) == (torch.__version__, 1)


class Drawn(nn.Module):
    """Draws its weights by NumPy, and its noise too."""

    def __init__(self, generator=None):
        super().__init__()
        self.first, self.last = nn.Linear(36, 8), nn.Linear(8, 3)
        with torch.no_grad():
            weights = (generator or np.random).normal(0, 0.3, (8, 36)) * random.uniform(0.9, 1.1)
            self.first.weight.copy_(torch.from_numpy(weights))

    def forward(self, x):
        noise = torch.from_numpy(np.random.normal(0, 0.1, (len(x), 3))).float()
        return self.last(self.first(x.flatten(1)).relu()) + noise + random.gauss(0, 0.1)


def test_one_seed_is_one_result_whatever_the_network_draws_by(tensors):
    train, test = ((tensors[f"{part}_images"], tensors[f"{part}_labels"]) for part in ("train", "test"))
    how = {"levels": 1, "recipe": lth.Recipe(iterations=20), "arms": ["ticket", "reinit"]}
    numbers = np.random.get_state()[1].copy(), random.getstate()
    first, second, other = (lth.find_ticket(Drawn, train, test, **how, seed=seed) for seed in (1, 1, 2))
    assert (np.random.get_state()[1] == numbers[0]).all() and random.getstate() == numbers[1]
    without = [
        [row | {"seconds": 0, "evaluation_seconds": 0} for row in search.rows] for search in (first, second, other)
    ]
    assert without[0] == without[1] != without[2]
    assert torch.equal(first.best.state["first.weight"], second.best.state["first.weight"])


def test_a_network_that_no_seed_repeats_is_named(tensors, caplog):
    train, test = ((tensors[f"{part}_images"], tensors[f"{part}_labels"]) for part in ("train", "test"))
    lth.find_ticket(lambda: Drawn(np.random.default_rng()), train, test, levels=0, recipe=lth.Recipe(iterations=5))
    assert [x.message.partition(":")[0] for x in caplog.records if "under one seed" in x.message] == [
        "two networks that are built under one seed differ in first.weight"
    ]
