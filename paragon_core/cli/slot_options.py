"""Options of ``paragon upscale`` for work on several devices and machines."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from paragon_core.cli import arguments as options
from paragon_core.errors import InputError

#: What `--ray` takes; anything else is more likely an input that follows it.
_ADDRESS: Final = re.compile(r"auto|local|\S+://\S+|[^\s/\\]+:\d{1,5}")

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

    from paragon_core.media.job_plan import Job
    from paragon_core.media.jobs import JobResult
    from paragon_core.slots.settings import SlotSettings, SlotState


def add_to(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    group = parser.add_argument_group(
        "several devices and machines", "Files are handed out to them. Results are those of a single device."
    )
    group.add_argument(
        "--devices",
        type=options.devices,
        metavar="NAME,NAME",
        help="a process for each of these, such as cuda:0,cuda:1; cpu,cpu shares the processor between two",
    )
    group.add_argument(
        "--ray",
        nargs="?",
        const="auto",
        metavar="ADDRESS",
        help="a process for each graphics card of a Ray cluster, or for each CPU where it has none (needs the extra "
        "cluster); without an address, the cluster that this machine belongs to",
    )
    group.add_argument(
        "--slot-cpus", type=options.count, metavar="N", help="with --ray: CPUs of the cluster for each process [1]"
    )


def are_given(arguments: argparse.Namespace) -> bool:
    """Return whether work goes to several devices or machines.

    Raises:
        InputError: options contradict each other.

    """
    if arguments.devices is None and arguments.ray is None:
        if arguments.slot_cpus is not None:
            raise InputError("--slot-cpus goes with --ray", hint="--devices cpu,cpu shares all cores between them")
        return False
    if arguments.devices is not None and (arguments.ray is not None or arguments.device != "auto"):
        other = "--ray" if arguments.ray is not None else "--device"
        raise InputError(f"{other} and --devices contradict each other", hint="give one of them")
    if arguments.ray is not None and not _ADDRESS.fullmatch(arguments.ray):
        raise InputError(
            f"{arguments.ray} is not the address of a Ray cluster, such as 10.0.0.1:6379",
            hint="name inputs first and --ray last, or write --ray=auto",
        )
    if arguments.replace:
        raise InputError(
            "--replace needs a single process: what is done again after a failure would be upscaled twice",
            hint="leave --replace out, and choose another output with -o",
        )
    return True


def run(
    jobs: Sequence[Job],
    settings: SlotSettings,
    arguments: argparse.Namespace,
    *,
    at_once: int,
    report: Callable[[JobResult], None],
    opened: Callable[[SlotState], None],
) -> tuple[JobResult, ...]:
    """Upscale on the devices or the cluster that the options name; raises what `run_on_slots` does."""
    from dataclasses import replace

    from paragon_core.cores import usable_cores
    from paragon_core.slots.cluster import RaySlots
    from paragon_core.slots.processes import ProcessSlots
    from paragon_core.slots.run import run_on_slots

    if arguments.devices is not None:
        cores = max(usable_cores() // len(arguments.devices), 1)
        settings = replace(settings, cores=cores, kinds=_kinds(jobs))
        group: ProcessSlots | RaySlots = ProcessSlots(settings, arguments.devices, at_once=at_once)
    else:
        settings = replace(settings, cores=arguments.slot_cpus or 1, kinds=_kinds(jobs))
        group = RaySlots(settings, arguments.ray, at_once=at_once)
    with group as slots:
        return run_on_slots(jobs, slots, at_once=at_once, report=report, opened=opened)


def _kinds(jobs: Sequence[Job]) -> tuple[tuple[str, int], ...]:
    """Return `SlotSettings.kinds` for sources."""
    from paragon_core.slots.settings import IMAGES, VIDEOS

    videos = {job.is_video for job in jobs}
    return (IMAGES if False in videos else ()) + (VIDEOS if True in videos else ())
