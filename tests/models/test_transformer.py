"""Networks of tokens: causal, of the sizes that were set, refused in a line for other data."""

import pytest
import torch
from torch import nn

from lth.core.errors import SettingError
from lth.lottery.context import FreshInit
from lth.models import Sequences, build
from lth.models.initialize import check_redrawn
from lth.models.modular import ModularMlp
from lth.models.transformer import Transformer
from lth.pruning.mask import prunable
from lth.pruning.outputs import output_axes


def made(everywhere: bool = True, depth: int = 2) -> Transformer:
    torch.manual_seed(0)
    return Transformer(tokens=11, outputs=7, context=9, depth=depth, width=12, heads=3, everywhere=everywhere).eval()


@pytest.mark.parametrize("place", range(9))
def test_no_output_of_a_transformer_depends_on_a_later_token(place: int) -> None:
    model, tokens = made(), torch.randint(11, (4, 9), generator=torch.Generator().manual_seed(1))
    changed = tokens.clone()
    changed[:, place] = (changed[:, place] + 1) % 11
    first, second = model(tokens), model(changed)
    assert torch.equal(first[:, :place], second[:, :place])
    assert (first[:, place:] != second[:, place:]).flatten(2).any(2).all()


def test_the_last_place_is_that_of_all_places_and_shorter_sequences_do_too() -> None:
    last, all_places = made(False), made()
    last.load_state_dict(all_places.state_dict())
    tokens = torch.randint(11, (4, 6))
    assert last(tokens).shape == (4, 7) and torch.allclose(last(tokens), all_places(tokens)[:, -1], atol=1e-6)
    assert torch.equal(last(tokens.float()), last(tokens)) and torch.equal(last(tokens.int()), last(tokens))


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("everywhere", [False, True])
def test_many_sequences_at_once_have_the_outputs_and_gradients_of_a_few(depth: int, everywhere: bool) -> None:
    model, tokens = made(everywhere, depth), torch.randint(11, (40, 5), generator=torch.Generator().manual_seed(2))
    gradients = []
    for batches in ([tokens], tokens.split(8)):  # 55 places of tokens: fewer than 200, more than 40
        model.zero_grad()
        outputs = torch.cat([model(batch) for batch in batches])
        outputs.square().sum().backward()
        gradients.append([outputs.detach(), *(weight.grad.clone() for weight in model.parameters())])
    assert all(torch.allclose(x, y, rtol=1e-4, atol=1e-5) for x, y in zip(*gradients, strict=True))


def test_order_matters_to_a_transformer_and_not_to_the_modular_network() -> None:
    model, pairs = made(False), torch.tensor([[1, 5], [2, 9]])
    assert not torch.allclose(model(pairs), model(pairs.flip(1)), atol=1e-4)
    network = ModularMlp(tokens=11, outputs=11, embedding=20, width=6)
    assert torch.equal(network(pairs), network(pairs.flip(1)))


def test_parameters_are_those_of_the_formula_and_masks_cover_all_but_the_embeddings() -> None:
    model = made(depth=3)
    weights = 3 * 12 * 12 * 12 + 12 * 7
    assert sum(layer.size for layer in prunable(model)) == weights
    every = prunable(model, include=["tokens.*", "places.*"])
    assert sum(layer.size for layer in every) == weights + (11 + 9) * 12
    assert output_axes(model, torch.randint(11, (2, 9))) == {"output.weight": frozenset({0})}


def test_the_modular_network_is_that_of_the_authors() -> None:
    torch.manual_seed(0)
    network = build("modular_mlp", (2,), 67, width=48.0, sequences=Sequences(67))
    shapes = {name: tuple(x.shape) for name, x in network.named_parameters()}
    assert shapes == {
        "tokens.weight": (67, 500),
        "hidden.weight": (48, 500),
        "back.weight": (500, 48),
        "output.weight": (67, 500),
    }
    for name, std in (("tokens", 67**-0.5), ("hidden", 500**-0.5), ("back", 48**-0.5), ("output", 500**-0.5)):
        assert network.get_parameter(f"{name}.weight").std().item() == pytest.approx(std, rel=0.03)


def test_the_modular_network_gives_what_its_layers_give_one_after_another() -> None:
    torch.manual_seed(0)
    network, pairs = ModularMlp(tokens=11, outputs=11, embedding=20, width=6), torch.randint(11, (9, 2))
    summed = network.tokens(pairs).sum(1)
    outputs = network.output(network.back(torch.relu(network.hidden(summed))))
    assert torch.allclose(network(pairs), outputs, atol=1e-5)


@pytest.mark.parametrize("name", ["transformer", "modular_mlp"])
def test_a_new_draw_draws_every_matrix(name: str) -> None:
    fresh = FreshInit(lambda: build(name, (2,), 5, width=8.0, sequences=Sequences(5, heads=2)), "default")
    model = fresh.constructed(0)
    names = [name for name, x in model.named_parameters() if x.ndim > 1]
    check_redrawn(model, fresh(0), fresh(1), names)


@pytest.mark.parametrize(
    ("name", "how", "problem"),
    [
        ("transformer", {"width": 10.0}, r"model\.heads=4: must divide model\.width=10"),
        ("transformer", {}, r"model\.width=1\.0: is the units of transformer: a whole number of at least 2"),
        ("modular_mlp", {"width": 8.5}, r"model\.width=8\.5: is the units of modular_mlp"),
        (
            "transformer",
            {"width": 8.0, "sequences": None},
            r"model=transformer: needs sequences \(T,\) of whole numbers",
        ),
        ("transformer", {"width": 10.0**5}, r"model\.width=100000: the weights would take"),
        ("modular_mlp", {"width": 8.0, "sequences": Sequences(5, True)}, "gives one output for a whole sequence"),
        ("transformer", {"widths": [3]}, r"model\.widths=\[3\]: is for model=mlp"),
    ],
)
def test_sizes_that_do_not_fit_are_one_line(name: str, how: dict, problem: str) -> None:
    with pytest.raises(SettingError, match=problem):
        build(name, (2,), 5, **({"sequences": Sequences(5, depth=1000)} | how))


def test_images_are_no_sequences() -> None:
    with pytest.raises(SettingError, match="needs sequences"):
        build("transformer", (1, 8, 8), 5, width=8.0, sequences=Sequences(5))
    assert isinstance(build("transformer", (2,), 5, width=8.0, sequences=Sequences(5, heads=2)), nn.Module)
