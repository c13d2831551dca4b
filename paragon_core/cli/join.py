"""``paragon join``: make videos whose chunks several processes or computers have made."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Final

from paragon_core.cli import arguments as options
from paragon_core.cli.exit_codes import BAD_INPUT, OK, exit_code

if TYPE_CHECKING:
    from collections.abc import Iterator

    from paragon_core.cli.console import Console

_EXAMPLES: Final = """\
examples:
  paragon upscale video.mkv -o large.mkv --shard 1/2      on one computer
  paragon upscale video.mkv -o large.mkv --shard 2/2      on another
  paragon join large.mkv                                  when both are done
  paragon join results                                    all videos in a folder, with all folders in it
"""


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "join",
        help="make videos from the chunks of several shards",
        description="Make videos whose chunks were made by paragon upscale --shard. Nothing is encoded again. What is "
        "missing is named.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("outputs", nargs="+", metavar="OUT", help="videos to make, or folders that hold some")
    parser.add_argument(
        "--source", metavar="FILE", help="the source of the one video, if it is at another place than for the shards"
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="print only errors and warnings")
    options.add_debug(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Run the command."""
    from paragon_core.errors import InputError, ParagonError

    targets = [target for output in arguments.outputs for target in _targets(Path(output))]
    source = None if arguments.source is None else Path(arguments.source).absolute()
    if source is not None and len(targets) != 1:
        raise InputError(f"--source is for one video, not {len(targets)}", hint="join them one by one")
    codes = set()
    for target in targets:
        try:
            _join(target, source, console)
        except ParagonError as error:
            console.error(error, about=str(target))
            codes.add(exit_code(error))
    return OK if not codes else codes.pop() if len(codes) == 1 else BAD_INPUT


def _join(target: Path, source: Path | None, console: Console) -> None:
    """Make one video.

    Raises:
        ParagonError: it was not begun, or cannot be made.

    """
    from dataclasses import replace

    from paragon_core.errors import InputError
    from paragon_core.media.video.chunks.folder import read_job
    from paragon_core.media.video.chunks.upscale import finish

    job = read_job(target)
    if job is None:
        if target.is_file():
            console.say(f"{target} is complete already")
            return
        msg = f"no chunks of {target} were made"
        raise InputError(msg, hint="name the result as in paragon upscale -o, or a folder that holds it")
    joined = finish(job if source is None else replace(job, source=source))
    for note in joined.notes:
        console.insist(f"paragon: note: {target}: {note}")
    width, height = joined.size
    console.say(f"{target} ({width} x {height}, {joined.frames} frames)")


def _targets(output: Path) -> Iterator[Path]:
    """Yield the videos to make that an argument means: itself, or those with a job's folder in it.

    Raises:
        InputError: there is none in a folder.

    """
    from paragon_core.errors import InputError
    from paragon_core.media.video.chunks.job import target_of_folder

    if not output.is_dir():
        yield output
        return
    if (own := target_of_folder(output)) is not None:
        yield own
        return
    found = sorted(filter(None, (target_of_folder(path) for path in output.rglob("*") if path.is_dir())))
    if not found:
        raise InputError(f"there is nothing to join in {output}", hint="name the results, or the folder they are in")
    yield from found
