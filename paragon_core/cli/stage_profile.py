"""The profile of a video: what each stage took, and which one the others wait for."""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import psutil

from paragon_core.cli.console import table
from paragon_core.cli.job_state import rate_text
from paragon_core.cores import usable_cores
from paragon_core.media.video.stage_times import POOLS
from paragon_core.upscaling.session_pool import THREADS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from paragon_core.media.video.stage_times import MeasuredTimes, Pool, Spent, Stage

#: Share of the cores' time from which on the processor is what everything waits for.
_BUSY: Final = 0.85

#: What the threads of a pool wait for when they have nothing to do.
_WAITING: Final[Mapping[Pool, str]] = {
    "reader": "for room: frames were decoded in time",
    "workers": "for frames, or for room",
    "writer": "for upscaled frames",
}


@dataclass(frozen=True, kw_only=True)
class StageProfile:
    """Where the time of a video went."""

    frames: int
    """Frames that were written."""
    seconds: float
    """Time that it took."""
    cpu: float
    """Processor time of the whole process, in seconds."""
    stages: Mapping[Stage, Spent]
    """Time of each stage, in the order of the frames' way."""
    lent: Mapping[Pool, float]
    """Seconds that each pool's threads were there, summed over them."""
    cores: int
    """Cores that the process may use."""

    @classmethod
    def of(cls, times: MeasuredTimes, *, frames: int, seconds: float, cpu: float, network_cpu: float) -> StageProfile:
        """Return the profile of a video.

        Args:
            times: of its stages.
            frames: number of its frames.
            seconds: time that it took.
            cpu: seconds of the processor that the process took meanwhile.
            network_cpu: those of the network's own threads.

        """
        stages = dict(times.stages)
        if (network := stages.get("network")) is not None:
            stages["network"] = replace(network, cpu=network.cpu + network_cpu)
        return cls(
            frames=frames,
            seconds=seconds,
            cpu=cpu,
            stages=stages,
            lent=times.lent_seconds,
            cores=usable_cores(),
        )

    @property
    def other_cpu(self) -> float:
        """Processor time of all other threads: those of codecs and of the runtime, and the rest of this program."""
        return max(self.cpu - sum(spent.cpu for spent in self.stages.values()), 0.0)

    @property
    def load(self) -> float:
        """Share of the time of all cores that the process took, 0 to 1."""
        return self.cpu / max(self.seconds * self.cores, 1e-9)

    def busy(self, pool: Pool) -> float:
        """Return the share of a pool's time that its stages took, 0 to 1."""
        wall = sum(spent.wall for stage, spent in self.stages.items() if POOLS[stage] == pool)
        return wall / max(self.lent.get(pool, 0.0), 1e-9)

    @property
    def bottleneck(self) -> Stage | None:
        """The stage that the others wait for: the longest one of the busiest threads; None without any stage."""
        if not self.stages:
            return None
        pool = max(self.lent, key=self.busy)
        return max((stage for stage in self.stages if POOLS[stage] == pool), key=lambda stage: self.stages[stage].wall)

    def fields(self) -> dict[str, Any]:
        """Return it as a program reads it."""
        return {
            "frames": self.frames,
            "seconds": round(self.seconds, 3),
            "cpu_seconds": round(self.cpu, 3),
            "other_cpu_seconds": round(self.other_cpu, 3),
            "cores": self.cores,
            "stages": {
                stage: {"seconds": round(spent.wall, 4), "cpu_seconds": round(spent.cpu, 4)}
                for stage, spent in self.stages.items()
            },
            "busy": {pool: round(self.busy(pool), 4) for pool in self.lent},
            "bottleneck": self.bottleneck,
        }

    def lines(self) -> list[str]:
        """Return it for people."""
        rows = [("stage", "threads", "ms a frame", "share", "CPU ms", "share of CPU")]
        frames, cpu = max(self.frames, 1), max(self.cpu, 1e-9)
        for stage, spent in self.stages.items():
            pool = POOLS[stage]
            rows.append(
                (
                    stage,
                    pool,
                    f"{1000 * spent.wall / frames:.2f}",
                    f"{spent.wall / max(self.lent.get(pool, 0.0), 1e-9):.0%}",
                    f"{1000 * spent.cpu / frames:.2f}",
                    f"{spent.cpu / cpu:.0%}",
                )
            )
        other = self.other_cpu
        rows.append(("other threads", "codecs, runtime", "", "", f"{1000 * other / frames:.2f}", f"{other / cpu:.0%}"))
        rate = f"{rate_text(self.frames / self.seconds)} frames/s" if self.seconds else ""
        work = f"{self.frames} frames in {self.seconds:.2f} s, {rate}"
        result = [
            f"{work}; CPU {self.cpu:.2f} s, {self.load:.0%} of {self.cores} cores",
            *table(rows).splitlines(),
            *(f"{pool} wait {1 - self.busy(pool):.0%} of the time {_WAITING[pool]}" for pool in self.lent),
        ]
        if (bottleneck := self.bottleneck) is not None:
            pool = POOLS[bottleneck]
            of = f"its threads ({pool}) are busy {self.busy(pool):.0%} of the time"
            full = f"; all {self.cores} cores are busy" if self.load > _BUSY else ""
            result.append(f"bottleneck: {bottleneck}: {of}{full}")
        return result


def network_cpu() -> float:
    """Return the seconds of the processor that the network's threads took so far; 0 where the system does not say.

    Runtimes that start threads themselves take more.
    """
    own = {thread.native_id for thread in threading.enumerate() if thread.name.startswith(THREADS)}
    with suppress(psutil.Error, OSError):
        return sum(each.user_time + each.system_time for each in psutil.Process().threads() if each.id in own)
    return 0.0
