"""The second worker trains when it is told to, and blocks beside it are timed while it does."""

import pytest
from lth.experiments.speed.companion import Companion, beside
from lth.experiments.speed.settings import SpeedSettings
from safetensors.torch import save_file

from lth.core.errors import LotteryError


class Notebook:
    """Notes what the second worker is told."""

    def __init__(self):
        self.orders = []

    def work(self):
        self.orders.append("work")

    def rest(self):
        self.orders.append("rest")


def test_a_block_beside_it_runs_between_its_orders():
    companion = Notebook()

    def blocks():
        for time in (1.0, 2.0):
            companion.orders.append(time)
            yield time
        raise RuntimeError("broken")

    pairs = beside(blocks(), companion)
    assert [next(pairs), next(pairs)] == [1.0, 2.0]
    with pytest.raises(RuntimeError, match="broken"):
        next(pairs)
    assert companion.orders == ["work", 1.0, "rest", "work", 2.0, "rest", "work", "rest"]


@pytest.mark.slow
def test_the_second_worker_trains_when_it_is_told_to(tmp_path, images):
    save_file(dict(images.tensors), tmp_path / "mnist.safetensors")
    settings = SpeedSettings()
    settings.data.root = str(tmp_path)
    with Companion(settings) as companion:
        first = companion.work()
        assert companion.work() > first  # it has trained on between two orders
        waiting = companion.rest()
        assert companion.rest() == waiting  # and now it does not
        assert companion.work() == waiting
        assert companion.rest() > waiting
        companion.process.kill()
        companion.process.wait()
        with pytest.raises(LotteryError, match="the second worker of lth speed has ended"):
            companion.work()
