"""Rewound is all of a network: what it keeps beside its state dict goes back, resumes and is kept with its weights."""

import random

import numpy as np
import pytest
import torch
from torch import nn

import lth
from lth.analysis.agreement import logits_of
from lth.analysis.connectivity import mixed
from lth.core.weights import beside, clone, digest, on_cpu
from lth.lottery.levels import rewound
from lth.store.runs import Store
from lth.training.loop import train


class Annealed(nn.Module):
    """A gate that opens with a buffer that is not saved, and closes with a plain attribute; both noisy."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.hidden, self.out = nn.Linear(36, 8), nn.Linear(8, 3)
        self.register_buffer("step", torch.zeros(()), persistent=False)
        self.count, self.past = 0, []

    def forward(self, inputs):
        if self.training:
            self.step += 1
            self.count += 1
            self.past = [*self.past[-2:], self.count]
        gate = (1 - torch.exp(-self.step / 20)) / (1 + self.count / 50)
        noise = random.gauss(0, 0.01) + np.random.normal(0, 0.01)
        return self.out(torch.relu(self.hidden(inputs.flatten(1)))) * gate + noise


def state(model):
    return float(model.step), model.count, model.past


@pytest.fixture
def spec(make_job):
    model = Annealed()
    return make_job(model=model, initial_state=clone(model.state_dict()), iterations=40, evaluate_every=10)


def test_every_training_starts_from_the_start(spec):
    first, second = train(spec), train(spec)
    assert state(spec.model) == (40, 40, [38, 39, 40])
    assert first.points == second.points and digest(first.final) == digest(second.final)


def test_after_a_search_the_network_is_that_of_its_last_training(tensors):
    train, test = ((tensors[f"{part}_images"], tensors[f"{part}_labels"]) for part in ("train", "test"))
    recipe = lth.Recipe(iterations=30, batch_size=20, lr=0.01, evaluate_every=10)
    model = Annealed()
    search = lth.find_ticket(model, train, test, levels=2, recipe=recipe, arms=("ticket", "shuffle"))
    assert state(search.levels[-1].spec.model) == (30, 30, [28, 29, 30]) and state(model) == (0, 0, [])


def test_observers_and_evaluations_change_nothing(spec):
    class Passes:
        key, every, columns = "passes", 5, {}

        def __call__(self, model, spec):
            model.train()(spec.data.train.images[:2])
            random.random(), np.random.rand()
            return {}

    assert digest(train(spec, [Passes()]).final) == digest(train(spec).final)


class Killed(BaseException):
    pass


def test_a_killed_training_goes_on_with_all_of_it(spec, tmp_path):
    unbroken = Store(tmp_path / "a").train(spec)

    def kill(iteration):
        if iteration >= 25:
            raise Killed

    broken = Store(tmp_path / "b", checkpoint_seconds=0)
    with pytest.raises(Killed):
        broken.train(spec, progress=kill)
    steps = []
    resumed = broken.train(spec, progress=steps.append)
    assert steps[0] > 20 and resumed.points == unbroken.points and digest(resumed.final) == digest(unbroken.final)


def test_what_cannot_be_kept_is_trained_from_the_start_after_a_kill(spec, tmp_path, caplog):
    spec.model.teacher = [nn.BatchNorm1d(36)]
    spec.model.hidden.register_forward_pre_hook(lambda module, inputs: spec.model.teacher[0](inputs[0]))
    broken = Store(tmp_path, checkpoint_seconds=0)

    def kill(iteration):
        raise Killed

    with pytest.raises(Killed):
        broken.train(spec, progress=kill)
    assert not list(tmp_path.glob("*/*/checkpoint-*"))
    assert [x.message for x in caplog.records if "cannot be kept" in x.message] == [
        "teacher (BatchNorm1d) changes in training and cannot be kept: kept weights do without it"
    ]


def test_kept_weights_are_evaluated_with_what_was_beside_them(spec, tmp_path):
    """Trained here or read from a store, and whatever the network was used for since."""
    images = spec.data.test
    expected = {}

    class Predicts:
        key, every, columns = "predicts", 20, {}

        def __call__(self, model, spec):
            random.seed(0), np.random.seed(0)
            expected[model.count] = model.eval()(images.images)
            model.train()
            return {}

    store = Store(tmp_path)
    store.train(spec, [Predicts()], keep_at=[20])
    for result in (store.train(spec, keep_at=[20]), Store(tmp_path).train(spec, keep_at=[20])):
        for iteration in (20, 40):
            before = state(spec.model)
            random.seed(0), np.random.seed(0)
            assert torch.equal(logits_of(spec.model, result.at(iteration), images), expected[iteration])
            assert state(spec.model) == before
        assert set(result.final) == set(spec.model.state_dict()), "its names are those of the state dict"


def test_a_rewind_point_has_it_too(spec):
    dense = lth.plan(lth.Recipe(iterations=40, batch_size=20, lr=0.01, evaluate_every=10), len(spec.data.train), "15it")
    later = rewound(lth.RunSpec(spec.model, spec.initial_state, {}, spec.data, dense, spec.seeds), train).initial_state
    half = lth.RunSpec(spec.model, later, {}, spec.data, dense, spec.seeds, side=spec.side)
    train(half)
    assert state(spec.model) == (40, 40, [38, 39, 40])
    ticket = lth.Ticket({}, later, 15)
    fresh = ticket.apply(Annealed())
    assert state(fresh) == (15, 15, [13, 14, 15])


def test_a_tickets_file_has_it(spec, tmp_path):
    final = train(spec).final
    mask = {"out.weight": torch.ones(3, 8, dtype=torch.bool)}
    path = lth.Ticket(mask, final).save(tmp_path / "ticket.safetensors")
    loaded = lth.load_ticket(path)
    assert digest(loaded.state) == digest(final) and set(loaded.state) == set(final)
    assert state(loaded.apply(Annealed())) == (40, 40, [38, 39, 40])


def test_other_things_beside_are_another_start(spec, make_job):
    final = train(spec).final
    assert digest(final) != digest(dict(final)) and beside(on_cpu(clone(final)))
    assert beside(mixed(final, spec.initial_state, 0.4)) and not beside(mixed(final, spec.initial_state, 0.6))


def test_networks_without_it_are_kept_as_ever(make_job):
    result = train(make_job())
    assert not any(beside(state) for state in result.states.values())
