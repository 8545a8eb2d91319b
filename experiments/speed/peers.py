"""SparseLab, where it is installed (`pip install 'lth[peers]'`): its sparse linear layers, on the same batches."""

import warnings
from collections.abc import Iterator
from copy import deepcopy
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from lth.core.weights import load, masked
from lth.data.batches import batches
from lth.training.optimizer import make_optimizer
from lth.training.run_spec import RunSpec


def fits(spec: RunSpec) -> bool:
    """Whether SparseLab is there and can train `spec`: it has linear layers alone, and none that is whole."""
    weighted = [module for module in spec.model.modules() if list(module.parameters(recurse=False))]
    linear = all(isinstance(module, nn.Linear) for module in weighted)
    return linear and not any(kept.all() for kept in spec.mask.values()) and find_spec("sparselab") is not None


def sparse_network(spec: RunSpec) -> nn.Module:
    """The network of `spec` with SparseLab's layers in place of its own, which keep what the mask keeps."""
    network = deepcopy(spec.model)
    load(network, masked(spec.initial_state, spec.mask))
    for name, layer in list(network.named_modules()):
        if isinstance(layer, nn.Linear):
            network.set_submodule(name, sparse_layer(layer))
    return network


def sparse_layer(layer: nn.Linear) -> nn.Module:
    """SparseLab's form of a layer, whose weights that are zero are pruned."""
    import sparselab

    with warnings.catch_warnings(category=UserWarning, action="ignore"):  # of torch: its CSR tensors are in beta
        sparse: Any = sparselab.SparseLinear(layer.in_features, layer.out_features, bias=layer.bias is not None)
        sparse._csr = sparselab.PaddedCSR.from_dense(layer.weight.detach())
    sparse._values = nn.Parameter(torch.from_numpy(np.asarray(sparse._csr.values)))  # as the layer makes them itself
    if layer.bias is not None:
        sparse.bias = layer.bias
    return sparse  # type: ignore[no-any-return]


def peer_steps(spec: RunSpec, network: nn.Module) -> Iterator[None]:
    """Trains a `sparse_network` of `spec` on the batches that our training has, an iteration at a time."""
    optimizer = make_optimizer(network, spec.plan)
    network.train()
    plan, split = spec.plan, spec.data.train
    for _, examples in batches(split, plan.batch_size, spec.seeds.order, plan.start, plan.stop):
        batch = examples[0]
        loss = functional.cross_entropy(network(split.images[batch]), split.labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield
