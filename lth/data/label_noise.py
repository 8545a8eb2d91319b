"""Wrong labels in the training split, of an exact number of examples and by a seed of their own.

Only the labels that are trained on are changed: the validation and the test split stay as they are, so that both
measure what the network has learnt of the true labels (He et al. 2022, "Sparse Double Descent", measure test accuracy
so). Which examples have wrong labels depends on nothing but the split, its size and the seed.
"""

from dataclasses import replace

import torch
from torch import Tensor

from lth.core.errors import SettingError
from lth.core.rng import rng
from lth.data.tensors import Data

KINDS = ("symmetric", "asymmetric", "pair")
CONFUSED = {
    "mnist": {2: 7, 3: 8, 5: 6, 6: 5, 7: 1},
    "cifar10": {2: 0, 3: 5, 4: 7, 5: 3, 9: 1},
}
"""Data set -> class -> the one that it is taken for (Patrini et al. 2017, section 5)."""


def with_label_noise(data: Data, share: float, kind: str, seed: int) -> Data:
    """`data` with round(share x N) wrong labels among the N of the training split that may be wrong.

    kind: `symmetric`, another class by chance, each as likely; `pair`, the next class, after the last the first (Han et
    al. 2018); `asymmetric`, a class that is alike, of data sets in CONFUSED alone, where classes without such a one
    keep their labels and are no part of N. Raises SettingError where there are no such classes.

    >>> from lth.data.tensors import Split
    >>> split = Split(torch.zeros(10, 2), torch.arange(10) % 5)
    >>> noisy = with_label_noise(Data("five", split, split, split, 5), 0.3, "pair", seed=0)
    >>> int((noisy.train.labels != split.labels).sum())
    3
    """
    if not share:
        return data
    labels = data.train.labels
    if not isinstance(labels, Tensor) or labels.ndim != 1 or labels.is_floating_point():
        raise SettingError("data.label_noise", share, "is for labels that are classes")
    clean = labels.cpu()
    classes = int(max(x.labels.max() for x in (data.train, data.validation, data.test) if len(x))) + 1
    generator = rng(seed, "label_noise")
    wrong = _wrong(data.name, clean, classes, kind, generator)
    candidates = (wrong != clean).nonzero().flatten()
    chosen = candidates[torch.randperm(len(candidates), generator=generator)[: round(share * len(candidates))]]
    noisy = clean.clone()
    noisy[chosen] = wrong[chosen]
    changed = replace(data, train=replace(data.train, labels=noisy.to(labels.device)))
    if "nonfinite" in data.__dict__:  # of the images
        changed.__dict__["nonfinite"] = data.__dict__["nonfinite"]
    return changed


def _wrong(name: str, labels: Tensor, classes: int, kind: str, generator: torch.Generator) -> Tensor:
    """The wrong label of each example; its own where it has none."""
    if kind == "pair":
        return (labels + 1) % classes
    if kind == "asymmetric":
        if name not in CONFUSED:
            problem = f"is known for {' and '.join(CONFUSED)} alone, not for {name}: use symmetric or pair"
            raise SettingError("data.label_noise_kind", kind, problem)
        confused = torch.arange(classes)
        for right, wrong in CONFUSED[name].items():
            confused[right] = wrong
        return confused[labels]
    return (labels + torch.randint(1, classes, labels.shape, generator=generator)) % classes
