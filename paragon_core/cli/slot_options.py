"""Options of ``paragon upscale`` for work on several devices and machines."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from paragon_core.cli import arguments as options
from paragon_core.cli import result_options
from paragon_core.cli.upscale_report import ready
from paragon_core.errors import InputError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping, Sequence

    from paragon_core.cli.console import Console
    from paragon_core.media.compression import ImageCompression
    from paragon_core.media.job_plan import Job
    from paragon_core.media.jobs import JobResult
    from paragon_core.media.video.encoding import VideoEncoding
    from paragon_core.models.model import Model
    from paragon_core.slots.settings import SlotSettings, SlotState
    from paragon_core.upscaling.options import UpscaleOptions
    from paragon_core.upscaling.output_size import OutputSize

#: What ``--ray`` takes; anything else is more likely an input that follows it.
_ADDRESS: Final = re.compile(r"auto|\S+://\S+|[^\s/\\]+:\d{1,5}")


def add_to(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    group = parser.add_argument_group(
        "several devices and machines",
        "Files and the chunks of long videos are handed out to them; results are those of a single device.",
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
        help="a process for each graphics card of a Ray cluster, or for each CPU where it has none; without an "
        "address, the cluster that this machine belongs to. Needs the extra cluster",
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
    given = "--devices" if arguments.ray is None else "--ray"
    if arguments.devices is not None and (arguments.ray is not None or arguments.device != "auto"):
        other = "--ray" if arguments.ray is not None else "--device"
        raise InputError(f"{other} and --devices contradict each other", hint="give one of them")
    if arguments.ray is not None and not _ADDRESS.fullmatch(arguments.ray):
        raise InputError(
            f"{arguments.ray} is not the address of a Ray cluster, such as 10.0.0.1:6379",
            hint="name inputs first and --ray last, or write --ray=auto",
        )
    if arguments.replace or arguments.shard is not None:
        other = "--replace" if arguments.replace else "--shard"
        raise InputError(f"{other} does not go with {given}", hint=f"leave one of them out; {_REASONS[other]}")
    return True


_REASONS: Final = {
    "--replace": "what is done again after a failure would be upscaled twice",
    "--shard": "the work is shared by itself",
}


def settings(  # noqa: PLR0917 - each of another type
    arguments: argparse.Namespace,
    models: Mapping[int, Model],
    size: OutputSize | None,
    upscale_options: UpscaleOptions,
    compression: ImageCompression,
    encoding: VideoEncoding,
) -> SlotSettings:
    """Return what the command line asks of every slot."""
    from dataclasses import replace

    from paragon_core.engines import ignore_progress
    from paragon_core.media.images import MAX_PIXELS
    from paragon_core.media.video.time_range import TimeRange
    from paragon_core.slots.settings import SlotSettings

    return SlotSettings(
        models=dict(models),
        size=size,
        options=replace(upscale_options, on_build_progress=ignore_progress),
        compression=compression,
        temporal=arguments.temporal,
        encoding=encoding,
        time_range=TimeRange(start=arguments.start, duration=arguments.duration),
        keep_damaged=arguments.keep_damaged,
        deinterlace=arguments.deinterlace,
        chunk=arguments.chunk,
        restart=arguments.restart,
        overwrite=arguments.overwrite,
        max_pixels=arguments.max_pixels or MAX_PIXELS,
    )


def run(
    jobs: Sequence[Job],
    wanted: SlotSettings,
    arguments: argparse.Namespace,
    console: Console,
    *,
    finished: Callable[[JobResult], None],
    begun: Callable[[float], None],
) -> None:
    """Upscale on the devices or the cluster that the options name.

    Args:
        jobs: what to do.
        wanted: from `settings`.
        arguments: of the command line.
        console: where messages go.
        finished: as in `Reports`.
        begun: likewise.

    Raises:
        InputError: an option is out of range.
        BackendUnavailableError: no slot can be opened, or none is left.

    """
    from dataclasses import replace

    from paragon_core.cores import usable_cores
    from paragon_core.media.jobs import IMAGES_AT_ONCE
    from paragon_core.slots.cluster import RaySlots
    from paragon_core.slots.processes import ProcessSlots
    from paragon_core.slots.run import Reports, run_on_slots

    at_once = arguments.jobs or IMAGES_AT_ONCE
    if arguments.devices is not None:
        cores = max(usable_cores() // len(arguments.devices), 1)
        wanted = replace(wanted, cores=cores, kinds=_kinds(jobs))
        group: ProcessSlots | RaySlots = ProcessSlots(wanted, arguments.devices, at_once=at_once)
    else:
        wanted = replace(wanted, cores=arguments.slot_cpus or 1, kinds=_kinds(jobs))
        most = None if any(job.is_video for job in jobs) else len(jobs)
        group = RaySlots(wanted, arguments.ray, at_once=at_once, most=most)

    def opened(state: SlotState) -> None:
        ready(
            console,
            models=[model.name for model in wanted.models.values()],
            size=result_options.label(wanted.size, next(iter(wanted.models))),
            backend=state.backend,
            precision=state.precisions[0],
        )

    with group as slots:
        reports = Reports(opened=opened, finished=finished, begun=begun)
        run_on_slots(jobs, slots, at_once=at_once, reports=reports)


def _kinds(jobs: Sequence[Job]) -> tuple[tuple[str, int], ...]:
    """Return `SlotSettings.kinds` for sources."""
    from paragon_core.slots.settings import IMAGES, VIDEOS

    videos = {job.is_video for job in jobs}
    return (IMAGES if False in videos else ()) + (VIDEOS if True in videos else ())
