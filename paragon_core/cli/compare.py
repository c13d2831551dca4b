"""``paragon compare``: how far two images, two videos or the files of two folders are apart."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paragon_core.cli import arguments as options
from paragon_core.cli.console import Console, answer, answer_json, table
from paragon_core.cli.exit_codes import BAD_INPUT, OK
from paragon_core.errors import BackendError, InputError, ParagonError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from paragon_core.media.video.time_range import TimeRange
    from paragon_core.quality.comparison import Comparison, MeanComparison
    from paragon_core.quality.file_comparison import FilePairs, VideoComparison

_HEADINGS = ("PSNR-Y", "SSIM", "PSNR of RGB", "largest difference")


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "compare",
        help="print how far two images, videos or folders are apart",
        description="Print PSNR of luma (as published tables have it), SSIM of luma, PSNR of RGB and the largest "
        "difference of two images; of two videos frame by frame; of two folders file by file, paired by their names. "
        "Files that differ are no error.",
    )
    parser.add_argument("first", metavar="A", help="an image, a video or a folder")
    parser.add_argument("second", metavar="B", help="one of the same kind and size, such as the original")
    parser.add_argument(
        "--border",
        type=_border,
        default=0,
        metavar="PIXELS",
        help="leave out pixels on every side; published tables leave out as many as the scale [0]",
    )
    add_time_range(parser)
    options.add_json(parser)
    options.add_debug(parser)
    parser.set_defaults(run=run)


def add_time_range(parser: argparse.ArgumentParser) -> None:
    """Add ``--start`` and ``--duration`` for a part of videos."""
    parser.add_argument("--start", type=options.seconds, default=0.0, metavar="TIME", help="of videos: from here on")
    parser.add_argument("--duration", type=options.seconds, metavar="TIME", help="of videos: no more than this long")


def time_range_of(arguments: argparse.Namespace) -> TimeRange:
    """Return the part of videos that the options describe."""
    from paragon_core.media.video.time_range import TimeRange

    return TimeRange(start=arguments.start, duration=arguments.duration)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Carry the command out."""
    first, second = Path(arguments.first), Path(arguments.second)
    if _is_folder(first) != _is_folder(second):
        folder, file = (first, second) if _is_folder(first) else (second, first)
        msg = f"{folder} is a folder and {file} is not"
        raise InputError(msg, hint="give two images, two videos or two folders")
    if _is_folder(first):
        return _compare_folders(first, second, arguments, console)

    from paragon_core.media.video.formats import is_video
    from paragon_core.quality.file_comparison import check_one_kind, compare_images

    check_one_kind([first, second])
    about = {"a": str(first), "b": str(second), "border": arguments.border}
    if is_video(first):
        return _compare_videos(first, second, arguments, console, about)
    comparison, notes = compare_images(first, second, border=arguments.border)
    _note(notes, console)
    if arguments.json:
        answer_json({"kind": "images", **about, **_plain(comparison)})
    else:
        cells = _cells(comparison)
        column, row = comparison.place
        place = f" at column {column}, row {row}" if comparison.max_difference else ""
        answer(table([*zip(_HEADINGS[:-1], cells[:-1], strict=True), (_HEADINGS[-1], f"{cells[-1]} of 255{place}")]))
    return OK


def _compare_videos(
    first: Path, second: Path, arguments: argparse.Namespace, console: Console, about: dict[str, Any]
) -> int:
    from paragon_core.quality.file_comparison import FrameComparison, collected, compare_videos

    found: list[FrameComparison | str] = []
    for each in compare_videos(first, second, border=arguments.border, time_range=time_range_of(arguments)):
        found.append(each)
        console.draw(f"{len(found)} frames compared")
    console.erase()
    videos = collected(found)
    _note(videos.notes, console)
    if arguments.json:
        answer_json({"kind": "videos", **about, **_plain_video(videos)})
        return OK
    rows: list[tuple[str, ...]] = [("frame", "seconds", *_HEADINGS)]
    rows += [(str(each.index), f"{each.seconds:.3f}", *_cells(each.comparison)) for each in videos.frames]
    lowest = videos.lowest
    rows.append(("mean", "", *_cells(videos.mean)))
    rows.append(("lowest", f"{lowest.seconds:.3f}", *_cells(lowest.comparison)))
    answer(f"{table(rows)}\nlowest PSNR-Y: frame {lowest.index} at {lowest.seconds:.3f} s")
    return OK


def _compare_folders(first: Path, second: Path, arguments: argparse.Namespace, console: Console) -> int:
    from paragon_core.quality.file_comparison import compare_pair, find_pairs

    pairs = find_pairs(first, second)
    found: dict[str, Comparison | VideoComparison] = {}
    code = OK
    for number, pair in enumerate(pairs.pairs, 1):
        console.draw(f"{number} of {len(pairs.pairs)}: {pair.name}")
        try:
            found[pair.name], notes = compare_pair(pair, border=arguments.border, time_range=time_range_of(arguments))
        except BackendError:
            raise
        except ParagonError as error:
            console.error(error, about=pair.name)
            code = BAD_INPUT
        else:
            _note(notes, console)
    console.erase()
    for folder, names in ((first, pairs.only_first), (second, pairs.only_second)):
        for name in names:
            console.insist(f"paragon: note: {name} is in {folder} only")
    if arguments.json:
        about = {"a": str(first), "b": str(second), "border": arguments.border}
        answer_json({"kind": "folders", **about, **_plain_folders(pairs, found)})
    elif found:
        rows = [("file", *_HEADINGS), *((name, *_cells(_mean(each))) for name, each in found.items())]
        answer(table([*rows, ("mean", *_cells(_mean_of_files(found)))]))
    return code


def _mean(each: Comparison | VideoComparison) -> Comparison | MeanComparison:
    from paragon_core.quality.file_comparison import VideoComparison

    return each.mean if isinstance(each, VideoComparison) else each


def _mean_of_files(found: dict[str, Comparison | VideoComparison]) -> MeanComparison:
    from paragon_core.quality.comparison import mean_of

    return mean_of([_mean(each) for each in found.values()])


def _plain(comparison: Comparison | MeanComparison) -> dict[str, Any]:
    """Return what JSON can hold: it has no infinity, so null stands for "no pixel differs" in a PSNR."""
    place = getattr(comparison, "place", None)
    return {
        "psnr_y": _finite(comparison.psnr_y),
        "ssim": comparison.ssim,
        "psnr_rgb": _finite(comparison.psnr_rgb),
        "max_difference": comparison.max_difference,
        **({} if place is None else {"place": {"column": place[0], "row": place[1]}}),
    }


def _plain_video(videos: VideoComparison) -> dict[str, Any]:
    frames = [{"frame": each.index, "seconds": each.seconds, **_plain(each.comparison)} for each in videos.frames]
    return {"mean": _plain(videos.mean), "lowest": frames[videos.frames.index(videos.lowest)], "frames": frames}


def _plain_folders(pairs: FilePairs, found: dict[str, Comparison | VideoComparison]) -> dict[str, Any]:
    from paragon_core.quality.file_comparison import VideoComparison

    return {
        "mean": _plain(_mean_of_files(found)) if found else None,
        "pairs": [
            {"name": name} | (_plain_video(each) if isinstance(each, VideoComparison) else _plain(each))
            for name, each in found.items()
        ],
        "failed": [pair.name for pair in pairs.pairs if pair.name not in found],
        "only_in_a": list(pairs.only_first),
        "only_in_b": list(pairs.only_second),
    }


def _cells(comparison: Comparison | MeanComparison) -> tuple[str, ...]:
    return (
        f"{_decibels(comparison.psnr_y)}",
        "-" if comparison.ssim is None else f"{comparison.ssim:.5f}",
        f"{_decibels(comparison.psnr_rgb)}",
        f"{comparison.max_difference:.4g}",
    )


def _decibels(value: float) -> str:
    return "inf" if math.isinf(value) else f"{value:.3f} dB"


def _finite(value: float) -> float | None:
    return None if math.isinf(value) else value


def _note(notes: Sequence[str], console: Console) -> None:
    for note in notes:
        console.insist(f"paragon: note: {note}")


def _is_folder(path: Path) -> bool:
    from paragon_core.media.sources import unreadable

    try:
        return path.is_dir()
    except OSError as error:
        raise unreadable(path, error) from error


def _border(text: str) -> int:
    return 0 if text == "0" else options.count(text)
