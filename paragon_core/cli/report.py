"""``paragon report``: a page that shows what upscaling did."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from paragon_core.cli import arguments as options
from paragon_core.cli.compare import add_time_range, time_range_of
from paragon_core.cli.exit_codes import OK
from paragon_core.errors import InputError

if TYPE_CHECKING:
    import argparse

    from paragon_core.cli.console import Console

_EXTENSIONS = (".html", ".htm")


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "report",
        help="write a page that shows a source next to its results",
        description="Write one HTML file that shows an image or a video next to what became of it: a slider between "
        "the source (by bicubic and Lanczos) and each result, zoom, crops of the places that differ most, with "
        "--reference also PSNR, SSIM and heat maps, of videos PSNR frame by frame. It loads nothing from anywhere.",
    )
    parser.add_argument("source", metavar="IN", help="the image or video that was upscaled")
    parser.add_argument("results", nargs="+", metavar="OUT", help="what became of it, by one model or several")
    parser.add_argument("-o", "--output", required=True, metavar="X.html", help="the file to write")
    parser.add_argument(
        "--reference", metavar="FILE", help="the original, of the size of the results: adds PSNR, SSIM and heat maps"
    )
    parser.add_argument(
        "--model",
        action="append",
        default=[],
        metavar="MODEL",
        help="a model that made the results, whose name and SHA-256 are to be on the page; can be given several times",
    )
    parser.add_argument(
        "--note",
        action="append",
        default=[],
        metavar="TEXT",
        help="a text for the page, such as the command or the speed; can be given several times",
    )
    parser.add_argument("--title", metavar="TEXT", help="heading of the page [the name of IN]")
    parser.add_argument(
        "--frames",
        type=options.count,
        default=100,
        metavar="N",
        help="of videos: compare this many frames, evenly spread [100]",
    )
    add_time_range(parser)
    parser.add_argument("-q", "--quiet", action="store_true", help="print errors only")
    options.add_debug(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Carry the command out."""
    from paragon_core.models.model import load
    from paragon_core.report.collect import ReportOptions, collect
    from paragon_core.report.page import render

    output = output_page(arguments.output)
    wanted = ReportOptions(
        source=Path(arguments.source),
        results=tuple(map(Path, arguments.results)),
        reference=Path(arguments.reference) if arguments.reference else None,
        models=tuple(map(load, arguments.model)),
        notes=tuple(arguments.note),
        title=arguments.title,
        most_frames=arguments.frames,
        time_range=time_range_of(arguments),
    )
    contents = collect(wanted, on_progress=console.draw)
    console.draw("writing the page")
    page = render(contents)
    console.erase()
    for remark in contents.remarks:
        console.say(f"paragon: note: {remark}")
    write_page(output, page, console)
    return OK


def output_page(name: str) -> Path:
    """Return the path of a page that is to be written, once it is known that it can be.

    Raises:
        InputError: its name is not that of a page.
        MediaError: it cannot be written.

    """
    from paragon_core.atomic_files import prepare_folder

    path = Path(name)
    if path.suffix.lower() not in _EXTENSIONS:
        msg = f"{path} does not end in .html"
        raise InputError(msg, hint="browsers would not show it: give a name such as report.html")
    prepare_folder(path)
    return path


def write_page(path: Path, page: str, console: Console) -> None:
    """Write a page, whole or not at all.

    Raises:
        MediaError: it cannot be written.

    """
    from paragon_core.atomic_files import atomic_write

    content = page.encode()
    with atomic_write(path) as stream:
        stream.write(content)
    console.say(f"{path} ({len(content) / 1e6:.2f} MB)")
