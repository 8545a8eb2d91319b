"""A data set as its source gives it: inputs and targets of two splits, and the hash that they are known by."""

from functools import cached_property
from pathlib import Path
from typing import Any

from lth.core.trees import tensors_in
from lth.core.weights import digest


class RawData(dict[str, Any]):
    """The tensors `train_images`, `train_labels`, `test_images`, `test_labels`, neither split nor normalised.

    Each may be a tuple or dict of tensors; without labels the inputs are sequences of tokens, whose next one is learnt.
    Nothing changes it once it is made, so that it is hashed once. file: the prepared file that holds it, if any. task:
    the task that its source names for it; empty for none.
    """

    file: Path | None = None
    task: str = ""

    @cached_property
    def digest(self) -> str:
        """A hash of every tensor, with its name, type and shape."""
        tensors = {f"{key}.{path}" if path else key: x for key, tree in self.items() for path, x in tensors_in(tree)}
        return digest(tensors)
