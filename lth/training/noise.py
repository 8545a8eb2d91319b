"""Global generators seeded by address, so that what a network draws in a step is the same after resuming."""

import torch

from lth.core.places import is_plain
from lth.core.rng import address, seed_python
from lth.training.run_spec import RunSpec


class Noise:
    """What the network of `spec` draws in training, such as the zeros of dropout."""

    def __init__(self, spec: RunSpec) -> None:
        device = spec.data.train.device
        self._first = address(spec.seeds.order, "dropout")
        # code of the user's may draw from the generators of NumPy or Python
        self._in_python = spec.loop is not None or not is_plain(spec.model)
        self._generator = torch.default_generator
        if device.type == "cuda":
            self._generator = torch.cuda.default_generators[device.index or 0]

    def seed(self, iteration: int) -> None:
        """Seeds the generators for the step after `iteration` steps."""
        self.seed_by((self._first + iteration) % 2**63)

    def seed_by(self, number: int) -> None:
        """Seeds the generators by `number`."""
        self._generator.manual_seed(number)
        if self._in_python:
            seed_python(number)
