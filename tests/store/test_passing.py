"""What a pass through a network changes is no part of its fingerprint; what it starts from is."""

import contextlib

import pytest
import torch
from torch import nn
from torch.nn.utils import weight_norm

from lth.core.weights import clone
from lth.store.fingerprint import fingerprint, fingerprint_inputs
from lth.store.runs import Store


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.fc = nn.Linear(36, 3)

    def forward(self, x):
        return self.fc(x.flatten(1))


class Keeps(Net):
    """Keeps its last activation, as one does to look at it."""

    def forward(self, x):
        self.features = super().forward(x)
        return self.features


class KeepsInside(Net):
    """Keeps them in a list and by name, in an object of its own."""

    def __init__(self):
        super().__init__()
        self.kept, self.inner = {}, Keeps()

    def forward(self, x):
        self.kept = {"x": x}
        return super().forward(x) + self.inner(x)


class Counts(Net):
    calls = 0

    def forward(self, x):
        self.calls += 1
        return super().forward(x)


class CountsInItsClass(Net):
    calls = 0

    def forward(self, x):
        type(self).calls += 1
        return super().forward(x)


LOG: list[float] = []
SEEN: dict[str, torch.Tensor] = {}
CALLS = 0


class Logs(Net):
    def forward(self, x):
        LOG.append(float(x.mean()))
        SEEN["x"] = x
        return super().forward(x)


class CountsGlobally(Net):
    def forward(self, x):
        global CALLS
        CALLS += 1
        return super().forward(x)


STEP = {"n": 0}


class CountsInADict(Net):
    def forward(self, x):
        STEP["n"] += 1
        return super().forward(x)


class History(Net):
    def __init__(self):
        super().__init__()
        self.history = []

    def forward(self, x):
        self.history.append(float(x.mean()))
        return super().forward(x)


def hooked():
    """A hook that keeps activations in a dict around it."""
    seen, model = {}, Net()
    model.fc.register_forward_hook(lambda module, inputs, output: seen.__setitem__("fc", output))
    return model


def normed():
    """Torch's older weight norm computes an attribute `weight` anew at each pass."""
    model = Net()
    weight_norm(model.fc)
    return model


NETWORKS = [Net, Keeps, KeepsInside, Counts, CountsInItsClass, Logs, CountsGlobally, CountsInADict, History, hooked]
NETWORKS.append(normed)
pytestmark = pytest.mark.filterwarnings("ignore:`torch.nn.utils.weight_norm` is deprecated:FutureWarning")


@pytest.fixture
def make_spec(make_job):
    return lambda model: make_job(model=model, initial_state=clone(model.state_dict()), iterations=10, evaluate_every=5)


def name_of(spec):
    return fingerprint(fingerprint_inputs(spec))


@pytest.mark.parametrize("make", NETWORKS)
def test_a_training_leaves_the_fingerprint_of_its_spec_as_it_was(make_spec, tmp_path, make):
    spec = make_spec(make())
    before = name_of(spec)
    store = Store(tmp_path)
    assert store.train(spec).run == before == name_of(spec) == store.train(spec).run
    assert len(store.trained) == 1


@pytest.mark.parametrize("make", [Keeps, KeepsInside, Logs, hooked, normed])
def test_what_a_pass_only_sets_does_not_count(make_spec, make):
    model = make()
    before = name_of(make_spec(model))
    for mode in (True, False):
        model.train(mode)(torch.randn(5, 36))
        assert name_of(make_spec(model)) == before


@pytest.mark.parametrize("make", [Counts, CountsInItsClass, History, CountsGlobally, CountsInADict])
def test_what_a_pass_reads_counts_as_what_it_starts_from(make_spec, make):
    model = make()
    before = name_of(make_spec(model))
    model(torch.randn(5, 36))
    assert name_of(make_spec(model)) != before


def test_what_a_pass_does_not_change_counts_beside_what_it_does(make_spec):
    def made(scale):
        kept, model = {"scale": scale}, Net()
        model.fc.register_forward_hook(lambda module, inputs, output: kept.update(fc=output) or output * kept["scale"])
        return make_spec(model)

    assert name_of(made(1)) == name_of(made(1)) != name_of(made(2))


def test_trying_a_pass_changes_nothing(make_spec):
    model, before = Logs(), len(LOG)
    numbers = torch.get_rng_state()
    name_of(make_spec(model))
    assert len(LOG) == before and torch.equal(torch.get_rng_state(), numbers) and model.training


def test_of_a_network_that_a_pass_fails_through_everything_counts(make_spec):
    class Fails(Keeps):
        def forward(self, x):
            super().forward(x)
            raise RuntimeError

    model = Fails()
    first = name_of(make_spec(model))
    with contextlib.suppress(RuntimeError):
        model(torch.randn(5, 36))
    assert name_of(make_spec(model)) != first
