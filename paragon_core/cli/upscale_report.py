"""What ``paragon upscale`` says of its results: of each file, of all together, and by its exit code."""

from __future__ import annotations

import os
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING

from paragon_core.cli.exit_codes import BAD_INPUT, NO_BACKEND, OK, exit_code
from paragon_core.cli.job_state import rate_text, size_text
from paragon_core.cli.progress import duration
from paragon_core.cli.work import size_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from paragon_core.cli.console import Console
    from paragon_core.errors import ParagonError
    from paragon_core.media.jobs import JobResult

    #: What cannot be upscaled, known before the work begins, and why.
    Refused = tuple[Path, ParagonError]


def ready(console: Console, *, models: Sequence[str], size: str, backend: str, precision: str) -> None:
    """Report that the models are loaded, and with what they compute."""
    console.say(f"{' or '.join(models)}, {size}, {backend} {precision}")
    console.events.emit("ready", models=models, size=size, backend=backend, precision=precision)


def report(result: JobResult, console: Console, *, single: bool) -> None:
    """Report the result of one job."""
    job = result.job
    if result.error is not None:
        console.error(result.error, about=str(job.source))
        return
    for note in result.notes if result.state != "part" else ():
        console.insist(f"paragon: note: {job.source}: {note}")
    if result.state == "written" and result.size and (single or not console.shows_progress):
        console.say(f"{job.source} -> {job.target} ({_facts(result)})")
    elif result.state == "part":
        console.say(f"{job.target}: {', '.join(result.notes)}")
    elif result.state == "skipped" and single and not result.notes:
        console.say(f"{job.target} is there already (--overwrite makes it again)")


def _facts(result: JobResult) -> str:
    width, height = result.size or (0, 0)
    size = f"{width} x {height}"
    if not result.job.is_video:
        return f"{size}, {result.seconds:.1f} s"
    parts = [size, f"{result.frames} frames", f"{result.seconds:.1f} s"]
    if result.seconds:
        parts.append(f"{rate_text(result.frames / result.seconds)} frames/s")
    made = size_of(result.job.target)
    return ", ".join(parts if made is None else [*parts, size_text(made)])


def sum_up(
    results: Sequence[JobResult],
    refused: Sequence[Refused],
    passed_over: Sequence[Path],
    console: Console,
    *,
    total: int,
    seconds: float = 0.0,
    written: int = 0,
) -> None:
    """Report the results of all files together, and which were left alone.

    Args:
        results: of those that are finished.
        refused: the sources that were found to be unusable before.
        passed_over: the files in folders that are not read.
        console: where it is reported.
        total: number of files, those included that an interrupt left undone.
        seconds: time that all took.
        written: bytes of the results.

    """
    if passed_over:
        counts = Counter(path.suffix.lower() for path in passed_over).most_common()
        kinds = ", ".join(f"{count} {extension}" for extension, count in counts)
        files = "1 file was" if len(passed_over) == 1 else f"{len(passed_over)} files were"
        console.say(f"{files} not read: {kinds}")
    if total <= 1:
        return
    parts = [_made(results, total)]
    skipped = [bool(result.notes) for result in results if result.state == "skipped"]
    if there := skipped.count(False):
        parts.append(f"{there} were there already (--overwrite makes them again)")
    if large := skipped.count(True):
        parts.append(f"{large} were left as they are")
    if part := [result.state for result in results].count("part"):
        parts.append(f"{part} are shared with other shards")
    failed = [path for path, _ in refused] + [result.job.source for result in results if result.state == "failed"]
    if failed:
        console.insist(", ".join([*parts, f"{len(failed)} failed:"]))
    else:
        console.say(", ".join(parts))
    for source in failed:
        console.insist(f"  {source}")
    if written:
        console.say(_totals(results, seconds, written))


def _made(results: Sequence[JobResult], total: int) -> str:
    text = f"{[result.state for result in results].count('written')} of {total} files upscaled"
    with suppress(ValueError, OSError):  # there are none; or several drives, on Windows; or no current folder any more
        text += f", in {os.path.commonpath([result.job.target.parent.absolute() for result in results])}"
    return text


def _totals(results: Sequence[JobResult], seconds: float, written: int) -> str:
    """Return how many images and frames of videos were made, how fast, and how much room they take."""
    made = [result for result in results if result.state == "written"]
    images = sum(not result.job.is_video for result in made)
    frames = sum(result.frames for result in made if result.job.is_video)
    counts = [f"{images} images"] if images else []
    counts += [f"{frames} frames of videos"] if frames else []
    speed = f" ({rate_text((images or frames) / seconds)}/s)" if len(counts) == 1 and seconds else ""
    return f"{' and '.join(counts)} in {duration(seconds)}{speed}, {size_text(written)}"


def exit_code_of(results: Sequence[JobResult], refused: Sequence[Refused]) -> int:
    """Return the exit code for the results of all files."""
    codes = {exit_code(result.error) for result in results if result.error is not None}
    codes |= {exit_code(error) for _, error in refused}
    return OK if not codes else NO_BACKEND if codes == {NO_BACKEND} else BAD_INPUT
