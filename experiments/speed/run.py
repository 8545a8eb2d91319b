"""The run of `lth speed`: ways of training take turns, network by network; then a search, and two cores."""

import logging
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

from lth.core.files import write_json
from lth.core.machine import describe
from lth.experiment import Item
from lth.kernels.ready import PARTS, ready
from lth.session import Session

from .blocks import take_turns, timed
from .companion import DENSITY, NETWORK, Companion, beside
from .custom_loop import bare_steps, custom_blocks
from .goals import COMPILED, CUSTOM_BARE, CUSTOM_DENSE, RATIO_GOALS, WORKERS
from .gpu import gpu_blocks, gpu_ways
from .gpu_rows import gpu_rows
from .ladder import SOME, climb
from .networks import NETWORKS, Images, Network, load_images, make_spec
from .pair import DATA, WITHOUT, augmented_spec, missing, pair_blocks, series, trainers
from .pair_rows import pair_rows
from .rows import ladder_rows, measure_row, ratio_rows, time_row
from .settings import SpeedSettings
from .usual import dataset_of
from .ways import DENSE, OURS, WAYS, Case, blocks_of

log = logging.getLogger(__name__)

Times = dict[str, list[float]]
CUSTOM_TURNS = 4
"""A custom loop has so many times the turns of other ways: its bound is of a few percent."""


def run(session: Session) -> Iterator[Item]:
    """Yields the rows as they come, and leaves speed.json in the job's folder: every block's time."""
    measurement = Measurement(session)
    if measurement.on_gpu:
        yield from measurement.gpu()
        measurement.write()
        return
    yield from measurement.compiled()
    for name in session.settings.networks:
        for density in sorted(set(session.settings.densities), reverse=True):
            yield from measurement.iterations(NETWORKS[name], density)
    yield from measurement.custom_loop()
    yield from measurement.search()
    yield from measurement.workers()
    yield from measurement.deep()
    measurement.write()


class Measurement:
    """What is measured in one run of `lth speed`."""

    def __init__(self, session: Session) -> None:
        self.settings: SpeedSettings = session.settings
        self.session, self.progress = session, session.progress
        self.images = cache(lambda name: load_images(name, self.settings.data.root))
        self.on_gpu = session.device.type == "cuda"
        self.sources: dict[str, str] = {}
        self.times: dict[str, Times] = {}
        self.progress.expect(self._parts(), "part")

    def _parts(self) -> int:
        """How many blocks and trainings there will be."""
        settings = self.settings
        if self.on_gpu:
            return len(self._deep()) * len(gpu_ways()) * (settings.blocks + 1)
        cases = len(settings.networks) * len(set(settings.densities))
        trainings = (2 * (settings.levels + 1) + settings.levels // SOME + 1) if settings.levels else 0
        custom = 3 * settings.custom_loop * (CUSTOM_TURNS * settings.blocks + 1)
        pairs = (settings.workers - 1) * (2 + len(self._deep()) * len(self._series()))
        return (cases * len(WAYS) + pairs) * (settings.blocks + 1) + custom + trainings

    def _deep(self) -> list[str]:
        """The deep networks that are timed on two cores."""
        return list(dict.fromkeys(self.settings.deep))

    def _series(self) -> dict[str, tuple[str, float]]:
        """What takes turns for each of them."""
        return series(self.settings.densities, missing())

    def compiled(self) -> Iterator[Item]:
        """The row of measures.csv about the kernels, which are compiled or loaded before anything is timed."""
        began = time.perf_counter()
        for part in PARTS:
            ready(part)
        yield "measures", measure_row(COMPILED, "s", [time.perf_counter() - began])

    def iterations(self, network: Network, density: float) -> Iterator[Item]:
        """The rows of speed.csv and ratios.csv of a network at a density."""
        ways = blocks_of(self.case(network, density))
        place = f"{network.name} at {density:g}"
        for _ in range((len(WAYS) - len(ways)) * (self.settings.blocks + 1)):
            self.progress.done(place)
        times = self.turns(place, ways)
        about = {"network": network.name, "density": density}
        for name, values in times.items():
            yield "speed", time_row(network, density, name, values)
        for row in ratio_rows(times):
            goal = RATIO_GOALS.get((network.name, density, row["above"], row["below"]))
            yield "ratios", about | row | {"goal": goal and str(goal)}

    def case(self, network: Network, density: float) -> Case:
        """A training of `network`, and the iterations of its blocks."""
        settings, images = self.settings, self._images(network.data)
        spec = make_spec(network, images, density, settings.seed)
        return Case(spec, dataset_of(images, "train"), network.iterations(settings.iterations))

    def _images(self, name: str) -> Images:
        images: Images = self.images(name)
        self.sources[name] = images.source
        return images

    def turns(self, place: str, ways: Mapping[str, Any], times_more: int = 1) -> Times:
        """The times of `ways`, in `times_more` times the turns of the settings; they are kept for speed.json."""

        def done(name: str, milliseconds: float) -> None:
            self.progress.done(f"{place}, {name}: {milliseconds:.3g} ms")

        self.times[place] = take_turns(ways, times_more * self.settings.blocks, done)
        return self.times[place]

    def custom_loop(self) -> Iterator[Item]:
        """The rows of measures.csv about a loop of a user's: the ratios of its times within a turn."""
        if not self.settings.custom_loop:
            return
        case = self.case(NETWORK, DENSITY)
        blocks = {
            DENSE: WAYS[DENSE].blocks(case),
            "custom": custom_blocks(case.spec, case.iterations),
            "bare": timed(bare_steps(case.spec), case.iterations),
        }
        times = self.turns("custom loop", blocks, CUSTOM_TURNS)
        for measure, below in ((CUSTOM_BARE, "bare"), (CUSTOM_DENSE, DENSE)):
            values = [custom / other for custom, other in zip(times["custom"], times[below], strict=True)]
            yield "measures", measure_row(measure, "times", values)

    def search(self) -> Iterator[Item]:
        """The rows of measures.csv about a search of Lenet-300-100."""
        settings = self.settings
        if not settings.levels:
            return
        images = self._images("mnist")
        ladder = climb(images, settings.levels, settings.level_iterations, settings.seed, self.progress.done)
        self.times["search, s"] = ladder.seconds
        yield from (("measures", row) for row in ladder_rows(ladder))

    def workers(self) -> Iterator[Item]:
        """The row of measures.csv about two seeds at once: the time beside another worker over twice that alone."""
        if self.settings.workers < 2:
            return
        case = self.case(NETWORK, DENSITY)
        with Companion(self.settings) as companion:
            blocks = {name: WAYS[OURS].blocks(case) for name in ("alone", "beside")}
            blocks["beside"] = beside(blocks["beside"], companion)
            times = self.turns("two workers", blocks)
        values = [both / (2 * alone) for both, alone in zip(times["beside"], times["alone"], strict=True)]
        yield "measures", measure_row(WORKERS, "times", values)

    def deep(self) -> Iterator[Item]:
        """The rows of speed.csv and ratios.csv about deep networks on two cores, with flip and crop."""
        if self.settings.workers < 2 or not self.settings.deep:
            return
        self._images(DATA)
        for way in missing():
            log.info("deep networks: %s", WITHOUT[way])
        places = self._series()
        with trainers(self.settings) as processes:
            for network in self._deep():
                ways = {
                    name: pair_blocks(processes, network, way, density, self.settings)
                    for name, (way, density) in places.items()
                }
                yield from pair_rows(network, places, self.turns(f"{network} on two cores", ways))

    def gpu(self) -> Iterator[Item]:
        """The rows of speed.csv and ratios.csv about deep networks on a GPU, with flip and crop, at one density."""
        images, density = self._images(DATA), max(self.settings.densities)
        for network in self._deep():
            spec = augmented_spec(network, images, density, self.settings.seed)
            spec = replace(spec, data=spec.data.to(self.session.device))
            ways = gpu_blocks(spec, images, network, self.settings.iterations)
            yield from gpu_rows(network, density, self.turns(f"{network} on a GPU", ways))

    def write(self) -> None:
        """Leaves speed.json."""
        facts = {"data": self.sources, "machine": describe(self.session.device), "times": self.times}
        write_json(self.session.folder / "speed.json", facts)
