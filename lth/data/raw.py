"""A data set as its source gives it: four tensors, and the hash that they are known by."""

from functools import cached_property
from pathlib import Path

from torch import Tensor

from lth.core.weights import digest


class RawData(dict[str, Tensor]):
    """The tensors `train_images`, `train_labels`, `test_images`, `test_labels`, neither split nor normalised.

    Nothing changes it once it is made, so that it is hashed once. file: the prepared file that holds it, if any.
    """

    file: Path | None = None

    @cached_property
    def digest(self) -> str:
        """A hash of every tensor, with its name, type and shape."""
        return digest(self)
