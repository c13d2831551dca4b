"""What a run on 1,000 machines asks of the one that drives it: measured costs of the scheduler, in a simulation.

    python benchmarks/cluster_simulation.py [--units 2000] [--output results.json]

First, on a real Ray cluster whose machines are all this one, units that fail at once are handed out: what they cost is
the scheduler's part, per unit: processor time of the driver and of Ray's services, and bytes through the driver.

Then the driver's own code (`paragon_core.slots.run`) runs with slots that exist only in a simulation with a clock of
its own: units take a time that varies, machines fail, each step of the driver costs what was measured. So what is
simulated is the driver. Networks, disks and Ray's services on that scale are not: no such cluster was there.
"""

from __future__ import annotations

import argparse
import json
import logging
import pickle
import random
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from heapq import heappop, heappush
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psutil

from paragon_core.benchmark.bench import describe_machine
from paragon_core.media.jobs import Job, JobResult
from paragon_core.slots.cluster import LOOKS, RaySlots
from paragon_core.slots.copies import Place
from paragon_core.slots.run import Reports, run_on_slots
from paragon_core.slots.settings import SlotSettings, SlotState
from paragon_core.slots.slots import Closed, Event, Finished, Opened
from paragon_core.slots.units import ChunkUnit, Unit
from paragon_core.slots.worker import Outcome
from paragon_core.upscaling.model_choice import suitable_models

if TYPE_CHECKING:
    from collections.abc import Sequence

PACKAGES: Final = ("numpy", "ray")
_SERVICES: Final = ("gcs_server", "raylet")
_LOOKS_MEASURED: Final = 200
_STATE: Final = SlotState(backend="simulated", precisions=("fp32",), versions=())


@dataclass(frozen=True, kw_only=True)
class Costs:
    """What the scheduler takes, measured on this machine."""

    driver_seconds: float
    """Processor time of the driver for a unit, Ray's threads in it included."""
    own_seconds: float
    """The part of it that is not Ray's: the driver's code alone, with 1,000 simulated slots."""
    service_seconds: float
    """Processor time of Ray's services for a unit, on all machines together."""
    look_seconds: float
    """Processor time of the driver for each machine and look at how large the cluster is."""
    unit_bytes: int
    """What a unit is when it is sent: a chunk of a video."""
    outcome_bytes: int
    """What comes back."""
    settings_bytes: int
    """What every slot gets once, the network's weights included."""


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """A run to simulate."""

    slots: int
    """Slots, each of which counts as a machine."""
    seconds: float
    """What a unit takes on average."""
    units: int
    """Number of units."""
    spread: float = 0.3
    """Standard deviation of the logarithm of what a unit takes."""
    failure_hours: float = 1000.0
    """Hours after which a machine fails, on average."""
    noticed: float = 30.0
    """Seconds until that is noticed."""
    opening: float = 60.0
    """Seconds until a slot is open."""
    seed: int = 0
    """Of all that is random."""


class SimulatedSlots:
    """Slots of a `Scenario`; the clock goes on when something happens, and by what the driver does."""

    def __init__(self, scenario: Scenario, driver_seconds: float) -> None:
        """Begin at second 0, with the driver at work for ``driver_seconds`` for each unit."""
        self.now = self.driver_busy = self.slots_busy = 0.0
        self.lost = 0
        self._scenario = scenario
        self._cost = driver_seconds
        self._random = random.Random(scenario.seed)  # noqa: S311 - no secret
        self._order = count()
        self._happening: list[tuple[float, int, Event, float]] = []
        self._names = count(1)
        self._fails: dict[str, float] = {}
        self._closed: set[str] = set()

    @property
    def expected(self) -> int:
        """Number of slots."""
        return self._scenario.slots

    def open(self, expected: SlotState | None) -> None:
        """Open the first slot, or all others."""
        for _ in range(1 if expected is None else self._scenario.slots - 1):
            self._open(self.now + self._scenario.opening)

    def give(self, slot: str, unit: Unit) -> None:
        """Have a unit done, if its machine does not fail before."""
        scenario = self._scenario
        self._work(self._cost)
        seconds = self._random.lognormvariate(0, scenario.spread) * scenario.seconds
        end = self.now + seconds
        if end < self._fails[slot]:
            result = JobResult(job=unit.job, state="written")
            self._add(end, Finished(slot=slot, outcome=Outcome(number=unit.number, result=result)), seconds)

    def events(self, _seconds: float) -> list[Event]:
        """Return what happens next."""
        time_of, _, event, seconds = heappop(self._happening)
        self.now = max(self.now, time_of)
        if event.slot in self._closed:
            return []
        if isinstance(event, Closed):
            self._closed.add(event.slot)
            self.lost += 1
            self._open(self.now + self._scenario.opening)
        self.slots_busy += seconds
        return [event]

    def _open(self, when: float) -> None:
        name = f"slot {next(self._names)}"
        self._fails[name] = when + self._random.expovariate(1 / (self._scenario.failure_hours * 3600))
        self._add(when, Opened(slot=name, state=_STATE))
        self._add(self._fails[name] + self._scenario.noticed, Closed(slot=name, why="it failed"))

    def _add(self, when: float, event: Event, seconds: float = 0.0) -> None:
        heappush(self._happening, (when, next(self._order), event, seconds))

    def _work(self, seconds: float) -> None:
        self.now += seconds
        self.driver_busy += seconds


def simulated(scenario: Scenario, costs: Costs) -> dict[str, Any]:
    """Return what a scenario comes to."""
    slots = SimulatedSlots(scenario, costs.driver_seconds)
    job = Job(source=Path("source.mkv"), target=Path("target.mkv"))
    results = run_on_slots([job] * scenario.units, slots, at_once=3)
    done = [result.state for result in results].count("written")
    seconds = slots.now - scenario.opening * 2  # the first slot, then the others
    looking = scenario.slots * costs.look_seconds / LOOKS
    sent = scenario.units * (costs.unit_bytes + costs.outcome_bytes)
    return {
        **asdict(scenario),
        "done": done,
        "lost_slots": slots.lost,
        "run_seconds": round(seconds, 1),
        "efficiency": round(slots.slots_busy / (scenario.slots * seconds), 4),
        "driver_busy": round(slots.driver_busy / seconds + looking, 4),
        "services_busy_cores": round(scenario.units * costs.service_seconds / seconds, 4),
        "units_per_second": round(scenario.units / seconds, 2),
        "driver_kilobytes_per_second": round(sent / seconds / 1000, 1),
        "settings_megabytes": round(scenario.slots * costs.settings_bytes / 1e6, 1),
    }


def measured(units: int) -> Costs:
    """Measure the scheduler's costs on a Ray cluster of this machine alone."""
    from ray.cluster_utils import Cluster  # noqa: PLC0415 - only this needs it

    settings = SlotSettings(models=dict(suitable_models("realtime-2x")))
    memory = 80 * 2**20
    cluster = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 0, "include_dashboard": False, "object_store_memory": memory},
    )
    try:
        for _ in range(2):
            cluster.add_node(num_cpus=1, object_store_memory=memory)
        driver, services, look = _seconds_of_units(settings, cluster.address, units)
    finally:
        cluster.shutdown()
    with tempfile.TemporaryDirectory() as name:
        job = Job(source=Path(name) / "source.mkv", target=Path(name) / "target.mkv")
        unit = ChunkUnit(number=100_000, index=100, job=job, chunk=1000)
        place = Place(source=(2**33, time.time_ns()), marker=Path(name) / ".paragon-0123456789ab-01234567.part")
    return Costs(
        driver_seconds=driver,
        own_seconds=_own_seconds(),
        service_seconds=services,
        look_seconds=look,
        unit_bytes=len(pickle.dumps((unit, place))),
        outcome_bytes=len(pickle.dumps(Outcome(number=unit.number))),
        settings_bytes=len(pickle.dumps(settings)),
    )


def _seconds_of_units(settings: SlotSettings, address: str, units: int) -> tuple[float, float, float]:
    """Return the processor time of the driver and of Ray's services for a unit that fails at once, and for a look."""
    import ray  # noqa: PLC0415 - only this needs it

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        jobs = [Job(source=folder / f"{n}.png", target=folder / "out" / f"{n}.png") for n in range(units)]
        begin: list[tuple[float, float]] = []

        def finished(_: JobResult) -> None:
            if not begin:
                begin.append((_driver(), _services()))

        with RaySlots(settings, address, at_once=3) as slots:
            run_on_slots(jobs, slots, at_once=3, reports=Reports(finished=finished))
            end = _driver(), _services()
            for _ in range(_LOOKS_MEASURED):
                machines = len(ray.nodes())
            look = (_driver() - end[0]) / _LOOKS_MEASURED / machines
    (driver, services) = begin[0]
    return (end[0] - driver) / (units - 1), (end[1] - services) / (units - 1), look


def _driver() -> float:
    return sum(psutil.Process().cpu_times()[:2])


def _services() -> float:
    found = (each for each in psutil.process_iter(["name"]) if each.info["name"] in _SERVICES)
    return sum(sum(each.cpu_times()[:2]) for each in found)


def _own_seconds() -> float:
    """Return the processor time of the driver's own code for a unit, with 1,000 slots."""
    scenario = Scenario(slots=1000, seconds=10, units=50_000)
    job = Job(source=Path("source.mkv"), target=Path("target.mkv"))
    start = time.process_time()
    run_on_slots([job] * scenario.units, SimulatedSlots(scenario, 0.0), at_once=3)
    return (time.process_time() - start) / scenario.units


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, simulate, print, write."""
    parser = argparse.ArgumentParser(description="Simulate the driver of a run on 1,000 machines.")
    parser.add_argument("--units", type=int, default=2000, help="units that are handed out to measure [2000]")
    parser.add_argument("--output", type=Path, help="write the result as JSON to this file")
    chosen = parser.parse_args(arguments)
    logging.getLogger("paragon_core").setLevel(logging.ERROR)  # slots that are lost
    costs = measured(chosen.units)
    print(json.dumps(asdict(costs), indent=2))
    base = Scenario(slots=1000, seconds=10, units=200_000)
    scenarios = [
        *(replace(base, slots=slots, units=200 * slots) for slots in (10, 100, 1000)),
        *(replace(base, seconds=seconds) for seconds in (1, 3, 30)),
        replace(base, failure_hours=50),
    ]
    runs = [simulated(scenario, costs) for scenario in scenarios]
    for run in runs:
        print(
            f"{run['slots']:5} slots, {run['seconds']:4} s a unit, a failure in {run['failure_hours']:6} h: efficiency "
            f"{run['efficiency']:.3f}, driver busy {run['driver_busy']:.3f}, {run['units_per_second']:.1f} units/s, "
            f"{run['driver_kilobytes_per_second']:.0f} kB/s, {run['lost_slots']} slots lost"
        )
    report = {"machine": describe_machine(PACKAGES), "costs": asdict(costs), "runs": runs}
    if chosen.output:
        chosen.output.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
