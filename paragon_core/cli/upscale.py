"""``paragon upscale``: enlarge pictures."""

from __future__ import annotations

import argparse
import os
from contextlib import suppress
from typing import TYPE_CHECKING

from paragon_core.cli import arguments as options
from paragon_core.cli.console import Console, Progress
from paragon_core.cli.exit_codes import BAD_INPUT, NO_BACKEND, OK, exit_code
from paragon_core.errors import InputError
from paragon_core.media.formats import FORMATS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import numpy.typing as npt

    from paragon_core.media.jobs import Outcome
    from paragon_core.model import Model

_EXAMPLES = """\
examples:
  paragon upscale photo.jpg -o large.png
  paragon upscale photos -o large            a folder, with all folders in it
  paragon upscale "scans/*.tif" -o large --format png
  paragon upscale photo.jpg --model 2xParagonSR2_Photo_fidelity.safetensors

Without -o, photo.jpg becomes photo_2x.jpg beside it, and the folder photos becomes photos_2x.
Pictures that are done already are skipped, so that an interrupted job can simply be started again.
"""


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "upscale",
        help="enlarge pictures",
        description="Enlarge pictures (PNG, JPEG, WebP, TIFF, BMP, AVIF) and keep profile, EXIF, alpha and depth.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("inputs", nargs="+", metavar="IN", help="files, folders, or patterns such as photos/*.jpg")
    parser.add_argument("-o", "--output", metavar="OUT", help="a file for one picture, else a folder")
    parser.add_argument(
        "--model",
        metavar="NAME|FILE",
        help=f"a model (see: paragon models) or a checkpoint [{options.DEFAULT_MODEL}]",
    )
    parser.add_argument(
        "--scale", type=options.count, metavar="N", help="enlargement; only that of the model is possible"
    )
    parser.add_argument("--format", choices=sorted(FORMATS), help="format of the results. Default: that of the sources")
    parser.add_argument("--overwrite", action="store_true", help="make pictures anew that are there already")
    options.add_model_settings(parser)
    speed = parser.add_argument_group("speed and memory")
    speed.add_argument(
        "--backend", default="auto", metavar="NAME", help="runtime (see: paragon doctor) [the fastest here]"
    )
    speed.add_argument("--device", default="auto", help="the runtime's name of a device, such as cpu or cuda:1 [auto]")
    speed.add_argument(
        "--precision",
        default="auto",
        choices=("auto", "fp32", "fp16", "bf16"),
        help="arithmetic; auto takes a faster one than fp32 only where the result stays the same to the eye [auto]",
    )
    speed.add_argument(
        "--tile",
        type=options.tile_size,
        default="auto",
        metavar="SIZE",
        help="auto, off, or the size of a tile in pixels of the source, such as 512 or 512x256 [auto]",
    )
    speed.add_argument(
        "--jobs",
        type=options.count,
        metavar="N",
        help="pictures in memory at once: one is enlarged, others read or written [3]",
    )
    speed.add_argument(
        "--max-memory",
        type=options.byte_count,
        metavar="SIZE",
        help="memory for the network's work, such as 1500M or 2G",
    )
    speed.add_argument(
        "--max-pixels",
        type=options.count,
        metavar="N",
        help="refuse sources with more pixels, against malicious files [2^28]",
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="tell nothing but errors and warnings")
    options.add_debug(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Carry the command out."""
    from paragon_core.media import images, jobs
    from paragon_core.upscaler import Upscaler

    model = _model(arguments)
    scale = model.spec.scale
    tasks = jobs.plan(arguments.inputs, arguments.output, suffix=f"_{scale}x", target_format=arguments.format)
    progress = Progress(console, len(tasks))

    def report(outcome: Outcome) -> None:
        width, height = outcome.size or (0, 0)
        progress.finish(pixels=width * height)
        _tell(outcome, console, single=len(tasks) == 1)

    with Upscaler(
        model,
        backend=arguments.backend,
        device=arguments.device,
        precision=arguments.precision,
        tile=arguments.tile,
        max_memory=arguments.max_memory,
        building=progress.building,
    ) as upscaler:

        def upscale(array: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
            return upscaler(array, progress=progress.advance)

        console.say(f"{model.name}, {scale}x, {upscaler.backend} {upscaler.precision}")
        try:
            outcomes = jobs.run(
                tasks,
                upscale,
                scale=scale,
                report=report,
                at_once=arguments.jobs or jobs.PICTURES_AT_ONCE,
                overwrite=arguments.overwrite,
                max_pixels=arguments.max_pixels or images.MAX_PIXELS,
            )
        finally:
            console.erase()
    _sum_up(outcomes, console)
    return _exit_code(outcomes)


def _model(arguments: argparse.Namespace) -> Model:
    """Load the model that was asked for, by name or by scale."""
    from paragon_core.model import bundled, load

    scale: int | None = arguments.scale
    if arguments.model is None and scale is not None:
        fitting = [name for name in bundled() if load(name).spec.scale == scale]
        name = options.DEFAULT_MODEL if options.DEFAULT_MODEL in fitting or not fitting else fitting[0]
    else:
        name = arguments.model or options.DEFAULT_MODEL
    model = options.load_model(name, arguments)
    if scale not in {None, model.spec.scale}:
        fitting = [name for name in bundled() if load(name).spec.scale == scale]
        msg = f"{model.name} enlarges {model.spec.scale} times, not {scale} times"
        boxed = f"boxed models that do: {', '.join(fitting)}" if fitting else f"no boxed model enlarges {scale} times"
        raise InputError(msg, hint=f"{boxed}; give one with --model, or leave --scale away")
    return model


def _tell(outcome: Outcome, console: Console, *, single: bool) -> None:
    """Tell what became of one picture."""
    task = outcome.task
    if outcome.error is not None:
        console.error(outcome.error, about=str(task.source))
        return
    for note in outcome.notes:
        console.insist(f"paragon: note: {task.source}: {note}")
    if outcome.state == "written" and outcome.size and (single or not console.shows_progress):
        width, height = outcome.size
        console.say(f"{task.source} -> {task.target} ({width} x {height}, {outcome.seconds:.1f} s)")
    elif outcome.state == "skipped" and single:
        console.say(f"{task.target} is there already (--overwrite makes it anew)")


def _sum_up(outcomes: Sequence[Outcome], console: Console) -> None:
    if len(outcomes) <= 1:
        return
    states = [outcome.state for outcome in outcomes]
    parts = [f"{states.count('written')} of {len(outcomes)} pictures enlarged"]
    with suppress(ValueError):  # on Windows they may lie on several drives
        parts[0] += f", in {os.path.commonpath([outcome.task.target.parent.absolute() for outcome in outcomes])}"
    if skipped := states.count("skipped"):
        parts.append(f"{skipped} were there already (--overwrite makes them anew)")
    failed = [outcome.task.source for outcome in outcomes if outcome.state == "failed"]
    if not failed:
        console.say(", ".join(parts))
        return
    console.insist(", ".join([*parts, f"{len(failed)} failed:"]))
    for source in failed:
        console.insist(f"  {source}")


def _exit_code(outcomes: Sequence[Outcome]) -> int:
    codes = {exit_code(outcome.error) for outcome in outcomes if outcome.error is not None}
    return OK if not codes else NO_BACKEND if codes == {NO_BACKEND} else BAD_INPUT
