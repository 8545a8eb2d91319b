"""N:M leaves out the layers that it does not fit."""

import pytest
from lth.experiments.deploy.ticket_benchmark import fitted

from lth.core.errors import SettingError
from lth.models import build
from lth.pruning.schedule import Pruning


def test_blocks_leave_out_the_layers_whose_inputs_they_do_not_divide() -> None:
    model = build("lenet5", (1, 28, 28), 10)
    assert fitted(Pruning(granularity="2:4", exclude=["fc2*"]), model).exclude == [
        "fc2*",
        "conv1.weight",
        "conv2.weight",
    ]
    assert fitted(Pruning(granularity="1:2"), model).exclude == ["conv1.weight"]
    assert fitted(Pruning(), model) == Pruning()
    with pytest.raises(SettingError, match="blocks=1:11: no layer has inputs that 11 divides"):
        fitted(Pruning(granularity="1:11"), model)
