"""How much of two slots' time is left in the work, compared with one slot: processes of this machine, and Ray's.

    python benchmarks/slots.py [--images 24] [--frames 240] [--rounds 2] [--output results.json]

Upscales a folder of images, and a video in chunks, with one slot that has one core and with two: by ``ProcessSlots``,
and by ``RaySlots`` on a cluster of two machines with a CPU each, both of which are this one. Time counts from when all
slots have the model loaded until the last result. ``paragon upscale --shard`` does the video as well, in one shard and
in two, and there the start of the processes counts, and ``paragon join``. Rounds take turns; of each kind the least
disturbed one counts.

Each slot's process is bound to a core of its own (on Linux; this runs on no other system): encoders and files have
threads as well. Efficiency is the time of one slot by twice that of two. Cores that share a cache, memory or even
arithmetic units do less together than twice what one does alone. Therefore two processes that know nothing of each
other do the whole work at the same time, each on its core: one slot's time by theirs is what the machine allows, at
most 1, and efficiency by that is what the slots make of it. On a machine that does other things as well, two more
shares are disturbed less: of processor time (what one slot takes by what two take together), and the busy share (the
time in which slots had work, of the time that they were there).

The exit code is 1 if results differ, or if two slots make less than 0.9 of what the machine allows.
"""

from __future__ import annotations

import argparse
import itertools
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import psutil
from PIL import Image

from paragon_core.benchmark.bench import describe_machine
from paragon_core.media.jobs import plan
from paragon_core.media.pyav import pyav
from paragon_core.slots.cluster import RaySlots
from paragon_core.slots.processes import ProcessSlots
from paragon_core.slots.run import run_on_slots
from paragon_core.slots.settings import SlotSettings
from paragon_core.slots.slots import Event, Finished, Opened
from paragon_core.upscaling.model_choice import suitable_models

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from threading import Barrier

    from ray.cluster_utils import Cluster

    from paragon_core.slots.settings import SlotState
    from paragon_core.slots.units import Unit

PACKAGES: Final = ("numpy", "pillow", "av", "ray")
PROMISE: Final = 0.9
_PICTURE: Final = (640, 360)
_FRAME: Final = (320, 180)
_CHUNK: Final = 24
_MEMORY: Final = 80 * 2**20


@dataclass(kw_only=True)
class Gathered:
    """Slots that begin together, and whose work is watched."""

    slots: ProcessSlots | RaySlots
    """What they are."""
    count: int
    """How many are waited for."""
    parents: tuple[int, ...]
    """Processes that have started theirs."""
    first_core: int = 0
    """Core of the first one; the others follow."""
    ready: Callable[[], object] = lambda: None
    """Called when all have the model loaded, before time counts."""
    start: float = 0.0
    """When all had the model loaded."""
    busy: float = 0.0
    """Seconds in which slots had work, of all together."""
    processors_before: float = 0.0
    """Processor time of their processes until then."""
    _held: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    _since: dict[str, float] = field(default_factory=dict)
    _ready: list[Event] = field(default_factory=list)

    @property
    def expected(self) -> int:
        """Number of slots."""
        return self.slots.expected

    def open(self, expected: SlotState | None) -> None:
        """Open all, and wait for them."""
        if expected is not None:
            return
        self.slots.open(None)
        while len(self._ready) < self.count:
            for event in self.slots.events(1):
                assert isinstance(event, Opened)  # noqa: S101 - else there is nothing to measure
                if not self._ready:
                    self.slots.open(event.state)
                self._ready.append(event)
        for core, process in enumerate(self._processes(), self.first_core):
            for thread in process.threads():
                os.sched_setaffinity(thread.id, {core})
        self.ready()
        self.processors_before, self.start = self.processors(), time.perf_counter()

    def give(self, slot: str, unit: Unit) -> None:
        """Hand a unit on."""
        if not self._held[slot]:
            self._since[slot] = time.perf_counter()
        self._held[slot] += 1
        self.slots.give(slot, unit)

    def events(self, seconds: float) -> list[Event]:
        """Return what has happened."""
        if self._ready:
            ready, self._ready = self._ready, []
            return ready
        found = self.slots.events(seconds)
        for event in found:
            if isinstance(event, Finished):
                self._held[event.slot] -= 1
                if not self._held[event.slot]:
                    self.busy += time.perf_counter() - self._since[event.slot]
        return found

    def processors(self) -> float:
        """Return the processor time of the slots' processes."""
        return sum(sum(each.cpu_times()[:2]) for each in self._processes())

    def _processes(self) -> list[psutil.Process]:
        found: list[psutil.Process] = []
        while len(found) != self.count:  # one of a run before may not have ended yet
            children = [each for parent in self.parents for each in psutil.Process(parent).children()]
            found = [each for each in children if _is_slot(each)]
        return found


def _is_slot(process: psutil.Process) -> bool:
    try:
        return "spawn_main" in " ".join(process.cmdline()) or "ClusterSlot" in process.name()
    except psutil.Error:  # it has just ended
        return False


def make_images(folder: Path, count: int) -> None:
    """Write images of noise that is smooth in places."""
    folder.mkdir()
    width, height = _PICTURE
    for number in range(count):
        values = np.random.default_rng(number).integers(0, 256, (height // 4, width // 4, 3), np.uint8)
        Image.fromarray(values).resize(_PICTURE, Image.Resampling.BICUBIC).save(folder / f"{number:03}.png")


def make_video(folder: Path, frames: int) -> None:
    """Write a video whose frames move."""
    folder.mkdir()
    width, height = _FRAME
    base = np.random.default_rng(0).integers(0, 256, (height // 4, width // 4, 3), np.uint8)
    picture = np.asarray(Image.fromarray(base).resize(_FRAME, Image.Resampling.BICUBIC))
    with pyav().open(str(folder / "video.mkv"), "w") as container:
        stream: Any = container.add_stream("libx264", rate=25, options={"g": str(_CHUNK)})
        stream.width, stream.height, stream.pix_fmt = *_FRAME, "yuv420p"
        for number in range(frames):
            frame = pyav().VideoFrame.from_ndarray(np.roll(picture, number, axis=1), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def measure(kind: str, count: int, sources: Path, target: Path, cluster: Cluster) -> dict[str, float]:
    """Upscale a folder on slots, and return the seconds on the clock and of processors, and the busy share."""
    if kind == "devices":
        slots = ProcessSlots(_settings(), ["cpu"] * count, at_once=3)
        return _measured(Gathered(slots=slots, count=count, parents=(os.getpid(),)), sources, target)
    machines = [machine.all_processes["raylet"][0].process.pid for machine in cluster.list_all_nodes()]
    ray = RaySlots(_settings(), cluster.address, at_once=3, most=count)
    return _measured(Gathered(slots=ray, count=count, parents=tuple(machines)), sources, target)


def measure_apart(sources: Path, target: Path) -> float:
    """Upscale a folder in two processes that know nothing of each other, whole in each; return the seconds."""
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager, ProcessPoolExecutor(2, mp_context=context) as processes:
        targets = [target / str(core) for core in range(2)]
        return max(processes.map(_measure_alone, [sources] * 2, targets, range(2), [manager.Barrier(2)] * 2))


def measure_shards(count: int, sources: Path, target: Path) -> dict[str, float]:
    """Upscale the video in shards, a process with a core for each, and join them; return the seconds."""
    (video,) = sources.iterdir()
    out = target / video.name
    command = [sys.executable, "-m", "paragon_core", "upscale", str(video), "-o", str(out), "--chunk", str(_CHUNK)]
    start = time.perf_counter()
    shards = [
        subprocess.Popen(  # noqa: S603 - this very Python
            [*command, "--shard", f"{number}/{count}", "--model", "realtime-2x"], stderr=subprocess.PIPE
        )
        for number in range(1, count + 1)
    ]
    for core, shard in enumerate(shards):
        os.sched_setaffinity(shard.pid, {core})
    errors = [shard.communicate()[1] for shard in shards]
    if any(shard.returncode for shard in shards):
        raise SystemExit(b"".join(errors).decode())
    join = [sys.executable, "-m", "paragon_core", "join", str(out)]
    subprocess.run(join, check=True, capture_output=True)  # noqa: S603 - this very Python
    return {"seconds": time.perf_counter() - start}


def _measure_alone(sources: Path, target: Path, core: int, both: Barrier) -> float:
    slots = ProcessSlots(_settings(), ["cpu"], at_once=3)
    gathered = Gathered(slots=slots, count=1, parents=(os.getpid(),), first_core=core, ready=both.wait)
    return _measured(gathered, sources, target)["seconds"]


def _settings() -> SlotSettings:
    return SlotSettings(models=dict(suitable_models("realtime-2x")), chunk=_CHUNK)


def _measured(gathered: Gathered, sources: Path, target: Path) -> dict[str, float]:
    with gathered.slots:
        results = run_on_slots(plan([sources], target, suffix=""), gathered, at_once=3)
        seconds = time.perf_counter() - gathered.start
        processors = gathered.processors() - gathered.processors_before
    if any(result.state != "written" for result in results):
        raise SystemExit(str(results))
    return {"seconds": seconds, "processors": processors, "busy": gathered.busy / (gathered.count * seconds)}


@contextmanager
def cluster_of_two() -> Iterator[Cluster]:
    """Start a cluster of two machines with a CPU each, and yield it."""
    from ray import cluster_utils  # noqa: PLC0415 - late, as everywhere

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    head = {"num_cpus": 0, "include_dashboard": False, "object_store_memory": _MEMORY}
    cluster = cluster_utils.Cluster(initialize_head=True, head_node_args=head)
    try:
        for _ in range(2):
            cluster.add_node(num_cpus=1, object_store_memory=_MEMORY)
        yield cluster
    finally:
        cluster.shutdown()


def _content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def compared(rounds: Sequence[Mapping[str, Any]], apart: Mapping[str, Sequence[float]]) -> dict[str, dict[str, Any]]:
    """Return what two slots of each kind make of their time, by work and kind."""
    works: dict[str, dict[str, Any]] = {}
    for work, seconds in apart.items():
        runs = [each for each in rounds if each["work"] == work]
        allowed = min(1.0, _least(runs, "devices", 1, "seconds") / min(seconds))
        works[work] = {kind: _compared(runs, kind, allowed) for kind in dict.fromkeys(each["kind"] for each in runs)}
    return works


def _compared(runs: Sequence[Mapping[str, Any]], kind: str, allowed: float) -> dict[str, float]:
    efficiency = _least(runs, kind, 1, "seconds") / (2 * _least(runs, kind, 2, "seconds"))
    found = {
        "efficiency": round(efficiency, 3),
        "machine_allows": round(allowed, 3),
        "efficiency_of_what_the_machine_allows": round(efficiency / allowed, 3),
    }
    if kind != "shards":
        by_processors = _least(runs, kind, 1, "processors") / _least(runs, kind, 2, "processors")
        busy = max(each["busy"] for each in runs if (each["kind"], each["slots"]) == (kind, 2))
        found |= {"efficiency_by_processor_time": round(by_processors, 3), "busy_share": round(busy, 3)}
    return found


def _least(runs: Sequence[Mapping[str, Any]], kind: str, count: int, value: str) -> float:
    return float(min(each[value] for each in runs if (each["kind"], each["slots"]) == (kind, count)))


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write; return 1 if the promise does not hold."""
    parser = argparse.ArgumentParser(description="Measure the efficiency of two slots.")
    parser.add_argument("--images", type=int, default=24, help="number of images [24]")
    parser.add_argument("--frames", type=int, default=240, help="frames of the video [240]")
    parser.add_argument("--rounds", type=int, default=2, help="runs of each [2]")
    parser.add_argument("--output", type=Path, help="write the result as JSON to this file")
    chosen = parser.parse_args(arguments)
    rounds: list[dict[str, Any]] = []
    apart: dict[str, list[float]] = {"images": [], "video": []}
    with cluster_of_two() as cluster, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_images(folder / "images", chosen.images)
        make_video(folder / "video", chosen.frames)
        for number in range(chosen.rounds):
            for work, seconds in apart.items():
                seconds.append(measure_apart(folder / work, folder / f"{work} apart {number}"))
                print(json.dumps({"work": work, "kind": "apart", "seconds": seconds[-1]}), flush=True)
                for kind, count in itertools.product(("devices", "ray", "shards"), (1, 2)):
                    if (kind, work) == ("shards", "images"):
                        continue  # every process would start, and do some files
                    target = folder / f"{work} {kind} {count} {number}"
                    load = os.getloadavg()[0]
                    found = (
                        measure_shards(count, folder / work, target)
                        if kind == "shards"
                        else measure(kind, count, folder / work, target, cluster)
                    )
                    rounds.append({"work": work, "kind": kind, "slots": count, "load": load, **found})
                    print(json.dumps(rounds[-1]), flush=True)
                    if _content(target) != _content(folder / f"{work} devices 1 0"):
                        msg = f"{kind} gives other bytes than one process"
                        raise SystemExit(msg)
    works = compared(rounds, apart)
    report = {
        "machine": describe_machine(PACKAGES),
        "images": {"count": chosen.images, "size": _PICTURE},
        "video": {"frames": chosen.frames, "size": _FRAME, "chunk": _CHUNK},
        "apart": apart,
        "rounds": rounds,
        "works": works,
    }
    if chosen.output:
        chosen.output.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(works, indent=2))
    worst = min(found["efficiency_of_what_the_machine_allows"] for kinds in works.values() for found in kinds.values())
    print(f"{'PASS' if worst >= PROMISE else 'FAIL'}: {worst:.2f} of what the machine allows (required >= {PROMISE})")
    return 0 if worst >= PROMISE else 1


if __name__ == "__main__":
    sys.exit(main())
