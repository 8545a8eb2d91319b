"""A digest sees all that a network gets."""

from dataclasses import replace

import torch

from lth.data.tensors import Data, Split


def test_a_digest_sees_every_image_label_and_split(data: Data) -> None:
    images, labels = data.train.images.clone(), data.test.labels.clone()
    images[5, 0, 0, 0] += 1
    labels[3] = (labels[3] + 1) % 3
    others = [
        replace(data, train=Split(images, data.train.labels)),
        replace(data, test=Split(data.test.images, labels)),
    ]
    others.append(replace(data, validation=data.test, test=data.validation))
    assert len({data.digest, *(other.digest for other in others)}) == 4
    moved = data.to(torch.device("cpu"))
    assert moved.digest == data.digest == replace(moved).digest
