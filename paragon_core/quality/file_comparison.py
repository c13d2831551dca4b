"""Files next to each other, in numbers: images, videos frame by frame, and the files of two folders by their names."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Final

from paragon_core.errors import InputError, UnsupportedSizeError
from paragon_core.media.formats import EXTENSIONS
from paragon_core.media.video.formats import VIDEO_EXTENSIONS, is_video
from paragon_core.media.video.time_range import TimeRange
from paragon_core.quality.comparison import Comparison, MeanComparison, compare, mean_of
from paragon_core.quality.viewed import ViewedFrame, view_image, view_video

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_WHOLE: Final = TimeRange()
_EXTENSIONS: Final = frozenset({*EXTENSIONS, *VIDEO_EXTENSIONS})


@dataclass(frozen=True, kw_only=True)
class FrameComparison:
    """Two frames of two videos next to each other."""

    index: int
    """Number of the frame, from 0 on."""
    seconds: float
    """When the first video shows it."""
    comparison: Comparison
    """How far they are apart."""


@dataclass(frozen=True, kw_only=True)
class VideoComparison:
    """Two videos next to each other."""

    frames: tuple[FrameComparison, ...]
    """Every frame, at least one."""
    notes: tuple[str, ...]
    """What could not be read, in words for the user."""

    @property
    def mean(self) -> MeanComparison:
        """Mean over the frames."""
        return mean_of([each.comparison for each in self.frames])

    @property
    def lowest(self) -> FrameComparison:
        """The first of the frames with the lowest PSNR-Y."""
        return min(self.frames, key=lambda each: each.comparison.psnr_y)


@dataclass(frozen=True, kw_only=True)
class FilePair:
    """Two files of two folders that belong together."""

    name: str
    """Path of the first in its folder, with slashes."""
    first: Path
    """The file in the first folder."""
    second: Path
    """The file in the second folder."""


@dataclass(frozen=True, kw_only=True)
class FilePairs:
    """The files of two folders."""

    pairs: tuple[FilePair, ...]
    """Those that are in both, in the order of their names."""
    only_first: tuple[str, ...]
    """Those of the first folder alone, by their paths in it."""
    only_second: tuple[str, ...]
    """Those of the second folder alone."""


def compare_images(first: Path, second: Path, *, border: int = 0) -> tuple[Comparison, tuple[str, ...]]:
    """Compare two image files.

    Returns:
        How far they are apart, and what is not compared as the files have it, in words for the user.

    Raises:
        MediaError: one cannot be read.
        InputError: one is of a kind that is not handled, or their sizes differ.

    """
    viewed = view_image(first), view_image(second)
    notes = tuple(f"{path}: {note}" for path, each in zip((first, second), viewed, strict=True) for note in each.notes)
    with naming(first, second):
        return compare(viewed[0].levels, viewed[1].levels, border=border), notes


def compare_videos(
    first: Path, second: Path, *, border: int = 0, time_range: TimeRange = _WHOLE
) -> Iterator[FrameComparison | str]:
    """Compare two videos, frame after frame in the order of display.

    Yields:
        Comparisons; at the end, as texts, what could not be read.

    Raises:
        MediaError: one cannot be read.
        InputError: their sizes or their numbers of frames differ.

    """
    with view_video(first, time_range) as one, view_video(second, time_range) as other, naming(first, second):
        for frame, reference in together([one.frames(), other.frames()], [first, second]):
            comparison = compare(frame.levels, reference.levels, border=border)
            yield FrameComparison(index=frame.index, seconds=frame.seconds, comparison=comparison)
        for each in (one, other):
            yield from (f"{each.path}: {note}" for note in each.notes)


def collected(comparisons: Iterable[FrameComparison | str]) -> VideoComparison:
    """Return all that `compare_videos` yields."""
    frames: list[FrameComparison] = []
    notes: list[str] = []
    for each in comparisons:
        if isinstance(each, str):
            notes.append(each)
        else:
            frames.append(each)
    return VideoComparison(frames=tuple(frames), notes=tuple(notes))


def together(videos: Sequence[Iterator[ViewedFrame]], paths: Sequence[Path]) -> Iterator[tuple[ViewedFrame, ...]]:
    """Yield the frames of several videos that have the same number.

    Args:
        videos: the frames of each.
        paths: the file of each, for messages.

    Raises:
        InputError: a video ends before another.

    """
    for index, frames in enumerate(zip_longest(*videos)):
        found = tuple(frame for frame in frames if frame is not None)
        if len(found) < len(frames):
            longer = next(path for path, frame in zip(paths, frames, strict=True) if frame is not None)
            shorter = next(path for path, frame in zip(paths, frames, strict=True) if frame is None)
            msg = f"{shorter} has {index} frames, and {longer} has more"
            raise InputError(msg, hint="compare a part that both have, with --start and --duration")
        yield found


def find_pairs(first: Path, second: Path) -> FilePairs:
    """Pair the images and videos of two folders, with all folders in them, by their names.

    Extensions may differ (a.png and a.webp) where this leaves no doubt.

    Raises:
        InputError: no file of the first has one in the second.

    """
    ours, theirs = _files(first), _files(second)
    pairs: dict[str, str] = {name: name for name in ours if name in theirs}
    left = [name for name in ours if name not in pairs]
    right = [name for name in theirs if name not in pairs]
    for name in left:
        twins = [other for other in right if _stem(other) == _stem(name)]
        if len(twins) == 1 and sum(_stem(other) == _stem(name) for other in left) == 1:
            pairs[name] = twins[0]
    if not pairs:
        msg = f"no image or video in {first} has the name of one in {second}"
        raise InputError(msg, hint="files are paired by their names; extensions may differ")
    return FilePairs(
        pairs=tuple(FilePair(name=name, first=ours[name], second=theirs[pairs[name]]) for name in sorted(pairs)),
        only_first=tuple(sorted(set(ours) - set(pairs))),
        only_second=tuple(sorted(set(theirs) - set(pairs.values()))),
    )


def compare_pair(
    pair: FilePair, *, border: int = 0, time_range: TimeRange = _WHOLE
) -> tuple[Comparison | VideoComparison, tuple[str, ...]]:
    """Compare the two files of a pair.

    Returns:
        How far they are apart, and what could not be read or is not compared, in words for the user.

    Raises:
        ParagonError: as `compare_images` and `compare_videos`; one is an image and the other a video.

    """
    check_one_kind([pair.first, pair.second])
    if not is_video(pair.first):
        return compare_images(pair.first, pair.second, border=border)
    videos = collected(compare_videos(pair.first, pair.second, border=border, time_range=time_range))
    return videos, videos.notes


def check_one_kind(paths: Sequence[Path]) -> None:
    """Refuse images together with videos.

    Raises:
        InputError: there are both.

    """
    kinds = {is_video(path): path for path in paths}
    if len(kinds) > 1:
        msg = f"{kinds[True]} is a video and {kinds[False]} is not"
        raise InputError(msg, hint="give images only, or videos only")


@contextmanager
def naming(first: Path, second: Path) -> Iterator[None]:
    """Let an error about the sizes of two images name their files.

    Raises:
        UnsupportedSizeError: as raised inside.

    """
    try:
        yield
    except UnsupportedSizeError as error:
        msg = f"{first} and {second} cannot be compared: {error}"
        raise UnsupportedSizeError(msg, hint=error.hint) from error


def _files(folder: Path) -> dict[str, Path]:
    return {
        path.relative_to(folder).as_posix(): path
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in _EXTENSIONS and path.is_file()
    }


def _stem(name: str) -> str:
    return name[: -len(Path(name).suffix)]
