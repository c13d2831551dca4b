"""Images with numbers in their names, as frames: ``frames/%06d.png``."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby, islice
from pathlib import Path
from typing import Final

from paragon_core.errors import InputError, MediaError
from paragon_core.media.sources import unreadable

#: Where a name has a number, and a percent sign.
_FIELD: Final = re.compile(r"%(?:0(\d))?d|%%")

#: Missing numbers that a message lists.
_MOST_LISTED: Final = 5


@dataclass(frozen=True, kw_only=True)
class SequencePattern:
    """The name of each image of a sequence, but for its number."""

    folder: Path
    """The folder that they are in."""
    before: str
    """The name before the number."""
    digits: int
    """Least digits of a number, filled up with zeros."""
    after: str
    """The name behind the number, extension included."""

    @classmethod
    def parse(cls, text: str | Path) -> SequencePattern | None:
        """Read a path whose name has ``%d``, or ``%06d`` for numbers of at least six digits; None for others.

        ``%%`` stands for a percent sign.

        Raises:
            InputError: it has several numbers.

        """
        path = Path(text)
        fields = [match for match in _FIELD.finditer(path.name) if match[0] != "%%"]
        if not fields:
            return None
        if len(fields) > 1:
            raise InputError(f"{path} has {len(fields)} numbers", hint="name frames with one, such as frames/%06d.png")
        start, end = fields[0].span()
        before, after = (part.replace("%%", "%") for part in (path.name[:start], path.name[end:]))
        return cls(folder=path.parent, before=before, digits=int(fields[0][1] or 1), after=after)

    @property
    def path_of_pattern(self) -> Path:
        """The pattern as it was given."""
        before, after = (text.replace("%", "%%") for text in (self.before, self.after))
        return self.folder / f"{before}%{'' if self.digits == 1 else f'0{self.digits}'}d{after}"

    @property
    def for_ffmpeg(self) -> str:
        """The pattern as FFmpeg reads it: there, the names of folders are part of it."""
        folder, before, after = (text.replace("%", "%%") for text in (str(self.folder), self.before, self.after))
        return f"{folder}{os.sep}{before}%0{self.digits}d{after}"

    def path(self, number: int) -> Path:
        """Return the path of an image."""
        return self.folder / f"{self.before}{number:0{self.digits}d}{self.after}"

    def numbers(self) -> list[int]:
        """Return the numbers of the images that are there, in their order.

        Raises:
            MediaError: the folder cannot be read.

        """
        name = re.compile(rf"{re.escape(self.before)}(\d{{{self.digits},}}){re.escape(self.after)}")
        try:
            names = {path.name for path in self.folder.iterdir()}
        except OSError as error:
            raise unreadable(self.folder, error) from error
        found = {int(match[1]) for each in names if (match := name.fullmatch(each))}
        return sorted(number for number in found if self.path(number).name in names)


@dataclass(frozen=True, kw_only=True)
class ImageSequence:
    """Images that are there, without gaps."""

    pattern: SequencePattern
    """Their names."""
    first: int
    """Number of the first."""
    count: int
    """Number of images."""
    rate: Fraction = Fraction(25)
    """Frames a second."""

    @classmethod
    def of(cls, pattern: SequencePattern, rate: Fraction = Fraction(25)) -> ImageSequence:
        """Look for the images of a pattern.

        Raises:
            MediaError: there is none, or numbers are missing between them.

        """
        numbers = pattern.numbers()
        if not numbers:
            msg = f"there is no image {pattern.path_of_pattern}, such as {pattern.path(1).name}"
            raise MediaError(msg, hint="the number in the pattern has as many digits as those in the names, at least")
        there = set(numbers)
        if missing := [number for number in range(numbers[0], numbers[-1]) if number not in there]:
            msg = f"images are missing in {pattern.path_of_pattern} ({numbers[0]} to {numbers[-1]}): {_listed(missing)}"
            raise MediaError(msg, hint="make or copy them, or move those behind the gap to another folder")
        return cls(pattern=pattern, first=numbers[0], count=len(numbers), rate=rate)

    @property
    def name(self) -> str:
        """What messages call it."""
        return str(self.pattern.path_of_pattern)

    def paths(self) -> list[Path]:
        """Return the paths of the images, in their order."""
        return [self.pattern.path(self.first + index) for index in range(self.count)]

    def changed(self) -> int:
        """Return when the newest image was changed, in nanoseconds.

        Raises:
            MediaError: one of them is gone.

        """
        try:
            return max(path.stat().st_mtime_ns for path in self.paths())
        except OSError as error:
            raise unreadable(Path(error.filename or self.name), error) from error


def _listed(numbers: list[int]) -> str:
    """Return numbers in words: 3, 7 to 9, and 12 more."""
    runs = [[number for _, number in run] for _, run in groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0])]
    texts = [str(run[0]) if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in islice(runs, _MOST_LISTED)]
    more = sum(map(len, runs[_MOST_LISTED:]))
    return ", ".join([*texts, f"and {more} more"] if more else texts)
