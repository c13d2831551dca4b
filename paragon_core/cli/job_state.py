"""How far a job over many files is, as one value: what the line of the terminal, a log and a program show of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from paragon_core.cli.console import columns_of
from paragon_core.cli.progress import bar, duration
from paragon_core.printable import printable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

Kind = Literal["image", "video"]

#: Most characters of a file's name in a line.
_LONGEST_NAME: Final = 28
_CUT: Final = "..."


@dataclass(frozen=True, kw_only=True)
class JobState:
    """How far the files are at one moment."""

    files: int
    """Number of files."""
    done: int
    """Files that are finished: written, skipped or failed."""
    source: Path | None = None
    """The file in work."""
    kind: Kind = "image"
    """What it is."""
    share: float | None = None
    """Share of all work that is done, 0 to 1; None where it is not known."""
    frame: int | None = None
    """Frames of the file that are done, or its pages; None for a single image."""
    frames: int | None = None
    """Frames that it has, as far as it says."""
    video_seconds: float | None = None
    """Time in a video up to which it is done."""
    video_length: float | None = None
    """Length of the video."""
    rate: float | None = None
    """Frames of a video, or images, a second, as it goes now."""
    seconds_left: float | None = None
    """Seconds that all files will take from now on."""
    file_seconds_left: float | None = None
    """Seconds that the video in work will take."""
    written: int = 0
    """Bytes of results so far."""

    @property
    def speed(self) -> str:
        """The rate in words."""
        return "" if self.rate is None else f"{rate_text(self.rate)} {'frames' if self.kind == 'video' else 'images'}/s"

    def fields(self) -> dict[str, Any]:
        """Return it as a program reads it."""
        return {
            "source": None if self.source is None else str(self.source),
            "kind": self.kind,
            "files_done": self.done,
            "files": self.files,
            "share": _rounded(self.share, 5),
            "frame": self.frame,
            "frames": self.frames,
            "video_seconds": _rounded(self.video_seconds),
            "video_length": _rounded(self.video_length),
            "rate": _rounded(self.rate),
            "seconds_left": _rounded(self.seconds_left, 1),
            "file_seconds_left": _rounded(self.file_seconds_left, 1),
            "bytes": self.written,
        }

    def line(self, columns: int) -> str:
        """Return the progress line, with what fits into a number of columns."""
        parts = [
            (3, "" if self.share is None else f"[{bar(self.share)}]"),
            (1, "" if self.files == 1 else f"{self.done}/{self.files}"),
            (6, "" if self.files == 1 or self.source is None else _short(self.source.name)),
            (2, self._frames()),
            (5, self._times()),
            (4, self.speed),
            (0, self._left()),
        ]
        return fitting(parts, columns)

    def log_line(self) -> str:
        """Return a line for a log."""
        about = [] if self.source is None else [str(self.source)]
        place = f"file {min(self.done + 1, self.files)} of {self.files}" if self.files > 1 else ""
        share = "" if self.share is None else f"{self.share:.0%}"
        texts = [place, share, self._frames(), self._times(), self.speed, self._left()]
        return ": ".join(["paragon", *about, ", ".join(filter(None, texts))])

    def _frames(self) -> str:
        if self.frame is None:
            return ""
        what = "frame" if self.kind == "video" else "image"
        return f"{what} {self.frame}" + (f"/{self.frames}" if self.frames else "")

    def _times(self) -> str:
        if self.video_seconds is None:
            return ""
        return duration(self.video_seconds) + (f"/{duration(self.video_length)}" if self.video_length else "")

    def _left(self) -> str:
        if self.seconds_left is not None:
            return f"{duration(self.seconds_left)} left"
        if self.file_seconds_left is not None:
            return f"{duration(self.file_seconds_left)} left" + (" of this file" if self.files > 1 else "")
        return ""


def fitting(parts: Sequence[tuple[int, str]], columns: int) -> str:
    """Join texts by two spaces each, without those of the highest ranks where columns are few."""
    kept = [part for part in parts if part[1]]
    while True:
        text = "  ".join(each for _, each in kept).replace("]  ", "] ", 1)
        if columns_of(text) <= columns or len(kept) <= 1:
            return text
        kept.remove(max(kept))


def rate_text(rate: float) -> str:
    """Return a rate with about three digits: 0.034, 2.35, 23.4, 120."""
    rate = float(f"{rate:.3g}")
    digits = 3 if rate < 0.1 else 2 if rate < 10 else 1 if rate < 100 else 0  # noqa: PLR2004 - powers of ten
    return f"{rate:.{digits}f}"


def size_text(size: int) -> str:
    """Return a number of bytes as people write it: 350 kB, 12.3 MB, 1.25 GB."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6)):
        if size >= factor:
            return f"{size / factor:.{2 if size < 10 * factor else 1}f} {unit}"
    return f"{max(size / 1e3, 0.1):.1f} kB" if size else "0 kB"


def _short(name: str) -> str:
    name = printable(name, limit=len(name))
    if len(name) <= _LONGEST_NAME:
        return name
    half = (_LONGEST_NAME - len(_CUT)) // 2
    return name[:half] + _CUT + name[half + len(_CUT) - _LONGEST_NAME :]


def _rounded(number: float | None, digits: int = 3) -> float | None:
    return None if number is None else round(number, digits)
