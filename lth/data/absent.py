"""The data of a training whose loop brings its own: nothing, in the form of a data set."""

import torch

from lth.data.tensors import Data, Split


def no_data(name: str = "custom", digest: str = "") -> Data:
    """A data set of three empty splits, called `name`; digest: what tells it from others in the results.

    >>> len(no_data().train), no_data().shape
    (0, ())
    """
    empty = Split(torch.empty(0), torch.empty(0, dtype=torch.int64))
    data = Data(name, empty, empty, empty, 0, content=digest)
    data.__dict__.update(digest=digest, nonfinite=None)
    return data
