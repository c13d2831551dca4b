"""Timing that survives a busy machine, and the description of that machine that every figure needs next to it."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence


#: CPU time of this process, or the time on the clock.
Clock = Literal["cpu", "wall"]


@dataclass(frozen=True, kw_only=True)
class Timing:
    """What repeated runs of one thing took."""

    cpu: tuple[float, ...]
    """Seconds of CPU time over all threads of this process, one for each round."""
    wall: tuple[float, ...]
    """Seconds on the clock, one for each round."""
    device: tuple[float, ...] = ()
    """Seconds by a graphics card's own clock, one for each round; empty where they are not known."""

    @property
    def cpu_median(self) -> float:
        """Median of the CPU times: the figure that other processes disturb least."""
        return statistics.median(self.cpu)

    @property
    def wall_median(self) -> float:
        """Median of the times on the clock."""
        return statistics.median(self.wall)

    def of(self, clock: Clock) -> tuple[float, ...]:
        """Return the seconds by one of the clocks."""
        return self.cpu if clock == "cpu" else self.wall

    def median(self, clock: Clock) -> float:
        """Return the median by one of the clocks."""
        return statistics.median(self.of(clock))

    def ratio_to(self, other: Timing, clock: Clock = "cpu") -> float:
        """Return how many times as much time as ``other`` this took, as the median of the rounds' ratios.

        What disturbs a round disturbs both, so this is steadier than the ratio of two medians.
        """
        pairs = zip(self.of(clock), other.of(clock), strict=True)
        return statistics.median(mine / theirs for mine, theirs in pairs)


def time_interleaved(actions: Mapping[str, Callable[[], object]], *, rounds: int) -> dict[str, Timing]:
    """Run every action once for warming up, then ``rounds`` times in turns.

    Turns make the comparison fair: whatever slows the machine down for some seconds slows all of them. Every round
    starts with another action, so that none always follows the same one.
    """
    for action in actions.values():
        action()
    names = list(actions)
    cpu: dict[str, list[float]] = {name: [] for name in names}
    wall: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(rounds):
        start = turn % len(names)
        for name in names[start:] + names[:start]:
            wall_before, cpu_before = time.perf_counter(), time.process_time()
            actions[name]()
            cpu[name].append(time.process_time() - cpu_before)
            wall[name].append(time.perf_counter() - wall_before)
    return {name: Timing(cpu=tuple(cpu[name]), wall=tuple(wall[name])) for name in names}


def run_watched(command: Sequence[str]) -> tuple[int, float]:
    """Run a program to its end and return the peak of its resident memory in bytes, and the seconds it took.

    Systems with fork count what the caller has resident when it starts the program as the least.

    Raises:
        RuntimeError: if it fails.

    """
    started = time.perf_counter()
    process = psutil.Popen(command)
    if sys.platform == "win32":
        peak = 0
        while process.poll() is None:
            try:
                peak = process.memory_info().peak_wset
            except psutil.NoSuchProcess:
                break
            time.sleep(0.01)
        code = process.wait()
    else:
        _, status, usage = os.wait4(process.pid, 0)
        code = os.waitstatus_to_exitcode(status)
        peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    seconds = time.perf_counter() - started
    if code:
        msg = f"{' '.join(command)} failed with exit code {code}"
        raise RuntimeError(msg)
    return peak, seconds


def describe_machine(packages: Iterable[str] = ()) -> dict[str, str | int]:
    """Return the processor, the system and the versions that a figure depends on; absent packages are left out."""
    versions = {}
    for package in packages:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "cpu": _processor(),
        "cores": os.cpu_count() or 1,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **versions,
    }


def _processor() -> str:
    """Return the processor's name for people; every system keeps it elsewhere."""
    system = platform.system()
    try:
        if system == "Linux":
            lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
            return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
        if system == "Darwin":
            command = ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"]
            return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603
    except (OSError, StopIteration, subprocess.CalledProcessError):
        pass
    return platform.processor() or platform.machine()
