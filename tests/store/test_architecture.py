"""What networks compute by, beyond the attributes of their modules; and the pins that stored trainings are found by."""

from collections import OrderedDict

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize

from lth.models import build
from lth.store.architecture import architecture
from lth.store.fingerprint import fingerprint


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))


def hook(model):
    model[0].register_forward_hook(lambda module, inputs, output: output * 0)


def other_hook(model):
    model[0].register_forward_hook(lambda module, inputs, output: output * 2)


def hook_on_another_layer(model):
    model[2].register_forward_hook(lambda module, inputs, output: output * 0)


def pre_hook(model):
    model[0].register_forward_pre_hook(lambda module, inputs: (inputs[0] * 2,))


def hook_with_keywords(model):
    model[0].register_forward_hook(lambda module, inputs, keywords, output: output * 0, with_kwargs=True)


def full_backward_hook(model):
    model[0].register_full_backward_hook(lambda module, inputs, outputs: None)


def backward_pre_hook(model):
    model[0].register_full_backward_pre_hook(lambda module, outputs: None)


def gradient_hook(model):
    model[0].weight.register_hook(lambda gradient: gradient * 2)


def hook_after_gradients(model):
    model[0].weight.register_post_accumulate_grad_hook(lambda weight: None)


def two_hooks(model):
    hook(model)
    other_hook(model)


def two_hooks_the_other_way_round(model):
    other_hook(model)
    hook(model)


def frozen(model):
    model[0].weight.requires_grad_(False)


def tied(model):
    model[2].weight = model[0].weight


def unsaved_buffer(model):
    model[0].register_buffer("scale", torch.ones(()), persistent=False)


def unsaved_buffer_of_another_value(model):
    model[0].register_buffer("scale", torch.zeros(()), persistent=False)


def method_of_the_instance(model):
    model.forward = lambda x: x


def parametrized(model):
    parametrize.register_parametrization(model[0], "weight", nn.ReLU())


def parametrized_otherwise(model):
    parametrize.register_parametrization(model[0], "weight", nn.Tanh())


def spectral_norm(model):
    parametrizations.spectral_norm(model[0], n_power_iterations=1)


def spectral_norm_of_more_steps(model):
    parametrizations.spectral_norm(model[0], n_power_iterations=2)


def hidden_network(model):
    model.teacher = [nn.Linear(4, 4)]


CHANGES = [
    *(hook, other_hook, hook_on_another_layer, pre_hook, hook_with_keywords, full_backward_hook, backward_pre_hook),
    *(gradient_hook, hook_after_gradients, two_hooks, two_hooks_the_other_way_round, frozen, tied, unsaved_buffer),
    *(unsaved_buffer_of_another_value, method_of_the_instance, parametrized, parametrized_otherwise, spectral_norm),
    *(spectral_norm_of_more_steps, hidden_network),
]


def test_each_change_to_a_network_has_an_architecture_of_its_own():
    seen = {"": fingerprint(architecture(network()))}
    for change in CHANGES:
        first, again = network(), network()
        for model in (first, again):
            torch.manual_seed(1)
            change(model)
        seen[change.__name__] = fingerprint(architecture(first))
        assert seen[change.__name__] == fingerprint(architecture(again)), change
    assert len(set(seen.values())) == len(seen), seen


def test_the_order_of_modules_counts_where_they_run_in_it():
    def ordered(*names, container=nn.Sequential):
        layers = {"fc": nn.Linear(4, 4), "act": nn.ReLU()}
        return container(OrderedDict((name, layers[name]) for name in names))

    for container in (nn.Sequential, nn.ModuleDict):
        orders = [("fc", "act"), ("act", "fc")]
        first, second = (architecture(ordered(*names, container=container)) for names in orders)
        assert first != second


class Anyhow(nn.Module):
    """Runs its modules in their order."""

    def __init__(self, *names):
        super().__init__()
        for name in names:
            self.add_module(name, nn.Linear(4, 4) if name == "fc" else nn.ReLU())

    def forward(self, x):
        for module in self.children():
            x = module(x)
        return x


def test_the_order_of_modules_counts_where_code_goes_through_them():
    assert architecture(Anyhow("fc", "act")) != architecture(Anyhow("act", "fc"))


def test_the_value_of_a_weight_is_no_part_of_it_wherever_it_is_named():
    first, second = network(), network()
    for model in (first, second):
        model.first = [model[0].weight]
        model.register_forward_hook(lambda module, inputs, output, weight=model[0].weight: output * weight.sum())
    with torch.no_grad():
        second[0].weight.add_(1)
    assert architecture(first) == architecture(second)


KNOWN = {
    "lenet_300_100": ((1, 28, 28), None, "41fcbc65c50049f986a5"),
    "lenet5": ((1, 28, 28), None, "85e012732b42f4283e04"),
    "mlp": ((1, 6, 6), [12, 8], "c1e6d00c10183d6e03fe"),
    "conv2": ((3, 32, 32), None, "3f20310098915af9e9c8"),
    "conv4": ((3, 32, 32), None, "6fd2c70e9271e3d0b4b4"),
    "conv6": ((3, 32, 32), None, "abc583abfbe864aacb6b"),
    "resnet18": ((3, 32, 32), None, "effbb72b2d3898b7435f"),
    "resnet20": ((3, 32, 32), None, "0601eb2eac9dfe8ffa61"),
}


@pytest.mark.parametrize("name", KNOWN)
def test_the_networks_of_lth_keep_their_architectures(name):
    """Or stored trainings are not found; an edit of a network's file and another version of torch change them."""
    shape, widths, known = KNOWN[name]
    model = build(name, shape, 10, widths)
    made = architecture(model)
    assert set(made) == {"modules", "sources", "frozen"}
    assert torch.__version__.split("+")[0] != "2.14.1" or fingerprint({"m": made}) == known
