"""Every way trains the same network: the same gradient at the start, the same products, an image at a time as usual."""

from dataclasses import replace
from importlib.util import find_spec

import pytest
import torch
from lth.experiments.speed import peers
from lth.experiments.speed.floor import products_of
from lth.experiments.speed.networks import NETWORKS, load_images, make_spec
from lth.experiments.speed.usual import Usual, dataset_of
from lth.experiments.speed.ways import DENSE, FLOOR, OURS, PEER, SPARSE, USUAL, WAYS, with_kernels
from torch import nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from lth.core.keeping import copied
from lth.data.preparation import prepare
from lth.training.loop import train
from tests.experiments.speed.conftest import images_of

SMALL = {"lenet_300_100": (60, 1e-4), "lenet5": (8, 1e-4), "resnet20": (4, 0.02)}
"""Network -> (the examples of the one batch that it is trained on, the largest error of a gradient, as a part of it).

In the many layers of a ResNet some input of a ReLU lies so near zero that the last bits decide its sign.
"""


def one_step(name, images):
    """A training of one step on all of the images, with plain SGD and a rate of 1: it takes the gradient off."""
    network, (count, _) = NETWORKS[name], SMALL[name]
    spec = make_spec(network, images, 0.1, seed=0)
    data = prepare(images.name, {key: tensor[:count] for key, tensor in images.tensors.items()})
    plain = {"optimizer": "sgd", "lr": 1.0, "momentum": 0.0, "weight_decay": 0.0, "batch_size": count}
    plan = replace(spec.plan, stop=1, total=1, evaluate_every=1, **plain)
    return replace(spec, data=data, plan=plan)


def ours(kernels):
    return lambda spec, images: train(with_kernels(spec, kernels)).final


def usual(spec, images):
    few = {name: tensor[: len(spec.data.train)] for name, tensor in images.tensors.items()}
    training = Usual(spec, copied(spec.model), dataset_of(replace(images, tensors=few), "train"))
    next(training.steps())
    return training.model.state_dict()


def sparselab(spec, images):
    network = peers.sparse_network(spec)
    next(peers.peer_steps(spec, network))
    state = dict(network.state_dict())
    for name, layer in network.named_modules():
        if hasattr(layer, "_csr"):
            state[f"{name}.weight"] = layer._csr.to_dense()
            del state[f"{name}._values"]
    return state


STEPS = {OURS: ours("auto"), SPARSE: ours("sparse"), DENSE: ours("dense"), USUAL: usual, PEER: sparselab}


@pytest.fixture(scope="module")
def small_images():
    return {name: images_of(name, 5_200) for name in ("mnist", "cifar10")}


@pytest.mark.filterwarnings("ignore::UserWarning")  # of SparseLab
@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("way", [way for way in WAYS if way not in (DENSE, FLOOR)])
def test_every_way_has_the_same_gradient_at_the_start(way, name, small_images):
    images = small_images[NETWORKS[name].data]
    spec = one_step(name, images)
    if not WAYS[way].fits(spec):
        pytest.skip(f"{way} does not train {name} here")
    expected, states = STEPS[DENSE](spec, images), STEPS[way](spec, images)
    assert set(states) == set(expected)
    for key, kept in spec.mask.items():
        assert not states[key][~kept].any()
        gradient = spec.initial_state[key] * kept - expected[key]
        assert float((states[key] - expected[key]).norm() / gradient.norm()) < SMALL[name][1], key


@pytest.mark.parametrize("name", NETWORKS)
def test_the_floor_has_the_products_of_an_iteration(name, small_images):
    network = NETWORKS[name]
    spec = make_spec(network, small_images[network.data], 1.0, seed=0)
    spec = replace(spec, plan=replace(spec.plan, batch_size=2))
    with FlopCounterMode(display=False) as iteration:
        functional.cross_entropy(spec.model(spec.data.train.images[:2]), spec.data.train.labels[:2]).backward()
    products = products_of(spec)
    with FlopCounterMode(display=False) as floor, torch.no_grad():
        for product in products:
            product()
    assert floor.get_total_flops() == iteration.get_total_flops() > 0


@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_the_usual_way_reads_an_image_at_a_time_as_torchvision_does(name, small_images):
    pictures, dataset = small_images[name].tensors["train_images"], dataset_of(small_images[name], "train")
    image, label = dataset[7]
    assert len(dataset) == 5_200 and label == 7
    deviation, mean = torch.std_mean(pictures.float() / 255, (0, 2, 3), correction=0, keepdim=True)
    torch.testing.assert_close(image, ((pictures[7] / 255 - mean) / deviation)[0])


def test_the_usual_way_keeps_pruned_weights_at_zero(images):
    spec = make_spec(NETWORKS["lenet_300_100"], images, 0.2, seed=0)
    training = Usual(spec, copied(spec.model), dataset_of(images, "train"))
    steps = training.steps()
    next(steps)
    next(steps)
    state = training.model.state_dict()
    for name, kept in spec.mask.items():
        assert not state[name][~kept].any() and not torch.equal(state[name][kept], spec.initial_state[name][kept])


def test_a_layer_keeps_what_the_density_says(images):
    for density in (1.0, 0.135, 0.019):
        spec = make_spec(NETWORKS["lenet5"], images, density, seed=0)
        for kept in spec.mask.values():
            assert abs(int(kept.sum()) - density * kept.numel()) <= 1


def test_sparselab_is_left_out_where_it_cannot_train_the_network(images, monkeypatch):
    def spec_of(name, density):
        return make_spec(NETWORKS[name], images, density, seed=0)

    there = find_spec("sparselab") is not None
    assert peers.fits(spec_of("lenet_300_100", 0.1)) == there
    assert not peers.fits(spec_of("lenet_300_100", 1.0)) and not peers.fits(spec_of("lenet5", 0.1))
    monkeypatch.setattr(peers, "find_spec", lambda name: None)
    assert not peers.fits(spec_of("lenet_300_100", 0.1))


def test_each_way_has_a_network_of_its_own(images):
    spec = make_spec(NETWORKS["lenet_300_100"], images, 0.1, seed=0)
    models = [with_kernels(spec, kernels).model for kernels in ("auto", "dense", "sparse")]
    tensors = [id(parameter) for model in (spec.model, *models) for parameter in model.parameters()]
    assert len(set(tensors)) == len(tensors) == 4 * len(list(nn.Module.parameters(spec.model)))


@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_without_the_data_it_makes_images_and_says_so(name, tmp_path):
    made = load_images(name, str(tmp_path))
    assert "random images" in made.source and str(tmp_path) in made.source and not list(tmp_path.iterdir())
    shape, count = ((1, 28, 28), 60_000) if name == "mnist" else ((3, 32, 32), 20_000)
    assert made.tensors["train_images"].shape == (count, *shape)
    assert made.tensors["train_images"].dtype == torch.uint8
