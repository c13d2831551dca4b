"""From the files of a report to its contents: read, compared, and searched for where they differ most."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from paragon_core.errors import InputError
from paragon_core.media.video.formats import is_video
from paragon_core.media.video.time_range import TimeRange
from paragon_core.quality.comparison import Comparison, check_same_size, compare, difference, mean_of
from paragon_core.quality.file_comparison import check_one_kind, naming, together
from paragon_core.quality.metrics import luma, psnr
from paragon_core.quality.resize import Kernel, resize, round_to_uint8
from paragon_core.quality.viewed import ViewedFrame, ViewedVideo, rounded, view_image, view_video
from paragon_core.report.contents import Contents, Curve, FrameRow, Series, Version
from paragon_core.report.encoded_images import thumbnail
from paragon_core.report.facts import image_facts, machine_facts, model_facts, video_facts
from paragon_core.report.places import places_that_differ

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from paragon_core.models.model import Model
    from paragon_core.quality.viewed import Levels
    from paragon_core.report.contents import FileFacts, Pixels, Thumbnail

_WHOLE: Final = TimeRange()

_BICUBIC: Final = "Source, bicubic"
_LANCZOS: Final = "Source, Lanczos"

#: Side of a crop in pixels, and how many there are.
_CROP_SIDE: Final = 160
_MOST_CROPS: Final = 6
#: Frames that are shown in small, and the share of the compared ones that lie between two of them.
_MOST_ROWS: Final = 6
_GAP: Final = 0.04


@dataclass(frozen=True, kw_only=True)
class ReportOptions:
    """What a report is to show."""

    source: Path
    """What was upscaled: an image or a video."""
    results: tuple[Path, ...]
    """What became of it, at least one."""
    reference: Path | None = None
    """The original that the results are to come close to."""
    models: tuple[Model, ...] = ()
    """The models that made the results, as far as known: files do not say."""
    notes: tuple[str, ...] = ()
    """Texts to put on the page."""
    title: str | None = None
    """The heading; None: from the names of the files."""
    most_frames: int = 100
    """Of videos: how many frames, evenly spread, are compared."""
    time_range: TimeRange = _WHOLE
    """Of videos: the part that is read."""

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            InputError: there is no result, no frame is to be compared, or there are images together with videos.

        """
        if not self.results or self.most_frames < 1:
            msg = "there is nothing to report on"
            raise InputError(msg, hint="give a source and at least one result")
        check_one_kind(self.paths)

    @property
    def paths(self) -> tuple[Path, ...]:
        """All files: the source, the results, the reference."""
        return (self.source, *self.results, *filter(None, [self.reference]))

    @property
    def roles(self) -> tuple[str, ...]:
        """What each of `paths` is."""
        return ("Source", *["Result"] * len(self.results), *["Reference"] * (self.reference is not None))

    @property
    def names(self) -> tuple[str, ...]:
        """What the results and the reference are called on the page; no two alike."""
        names: list[str] = []
        for path, role in zip(self.paths[1:], self.roles[1:], strict=True):
            name = f"Reference: {path.name}" if role == "Reference" else path.name
            names.append(name if name not in names else str(path))
        return tuple(names)


def collect(options: ReportOptions, *, on_progress: Callable[[str], None] = lambda _: None) -> Contents:
    """Read the files, and compare them.

    Args:
        options: what is to be shown.
        on_progress: called with a line about what is done.

    Raises:
        MediaError: a file cannot be read.
        InputError: a file is of a kind that is not handled; sizes or numbers of frames differ.
        BackendUnavailableError: a package for videos is missing.

    """
    contents = (_of_videos if is_video(options.source) else _of_images)(options, on_progress)
    return replace(
        contents,
        models=tuple(map(model_facts, options.models)),
        notes=options.notes,
        machine=machine_facts(),
    )


def _of_images(options: ReportOptions, on_progress: Callable[[str], None]) -> Contents:
    viewed = []
    for path in options.paths:
        on_progress(f"reading {path.name}")
        viewed.append(view_image(path))
    on_progress("comparing")
    levels, remarks = _one_size(options, [each.levels for each in viewed[1:]])
    versions = _versions(options, viewed[0].levels, levels, profiles=tuple(each.loaded.icc for each in viewed))
    files = tuple(
        image_facts(role, path, each) for role, path, each in zip(options.roles, options.paths, viewed, strict=True)
    )
    notes = (f"{path.name}: {note}" for path, each in zip(options.paths, viewed, strict=True) for note in each.notes)
    return _contents(options, versions, files, remarks=(*notes, *remarks))


def _of_videos(options: ReportOptions, on_progress: Callable[[str], None]) -> Contents:
    with ExitStack() as stack:
        videos = [stack.enter_context(view_video(path, options.time_range)) for path in options.paths]
        survey = _Survey(options)
        expected = videos[0].reader.expected_frames
        step = max(-(-expected // options.most_frames), 1) if expected else 1
        total = 0
        for frames in together([video.frames() for video in videos], options.paths):
            total += 1
            if frames[0].index % step == 0:
                on_progress(f"frame {frames[0].index} of {expected or 'unknown'}")
                survey.add(frames)
        files = tuple(
            video_facts(role, video, size, total)
            for role, video, size in zip(options.roles, videos, survey.sizes, strict=True)
        )
        series = survey.series(total)
        contents = _contents(options, survey.versions(), files, remarks=_remarks(videos))
    return replace(contents, series=series, shown_frame=survey.shown)


class _Survey:
    """Compares frames, and keeps the worst."""

    def __init__(self, options: ReportOptions) -> None:
        self._options = options
        self._compared: list[tuple[int, float]] = []
        self._values: list[list[float]] = [[] for _ in options.results]
        self._comparisons: list[list[Comparison]] = [[] for _ in options.results]
        self._thumbnails: list[tuple[Thumbnail, ...]] = []
        self._worst: tuple[float, ViewedFrame, list[Levels]] | None = None
        self.sizes: tuple[tuple[int, int], ...] = ()

    @property
    def shown(self) -> tuple[int, float] | None:
        """Number and time of the frame that `versions` shows."""
        return None if self._worst is None else (self._worst[1].index, self._worst[1].seconds)

    def add(self, frames: Sequence[ViewedFrame]) -> None:
        """Compare the frames of all videos with one number: the source's, the results', the reference's."""
        options, source = self._options, frames[0]
        if not self.sizes:
            self.sizes = tuple((each.levels.shape[1], each.levels.shape[0]) for each in frames)
        levels, _ = _one_size(options, [each.levels for each in frames[1:]])
        results = levels[: len(options.results)]
        height, width = results[0].shape[:2]
        in_small = [rounded(each) for each in levels]
        if options.reference is None:
            lanczos = _upscaled(source.levels, height, width, "lanczos3")
            values = [psnr(luma(each), luma(lanczos)) for each in results]
            in_small.insert(0, lanczos)
        else:
            compared = [compare(each, levels[-1]) for each in results]
            values = [each.psnr_y for each in compared]
            for kept, comparison in zip(self._comparisons, compared, strict=True):
                kept.append(comparison)
            in_small.insert(0, rounded(source.levels))
        self._compared.append((source.index, source.seconds))
        for own, value in zip(self._values, values, strict=True):
            own.append(value)
        names = ("Source", *options.names)
        self._thumbnails.append(tuple(thumbnail(name, each) for name, each in zip(names, in_small, strict=True)))
        if self._worst is None or min(values) < self._worst[0]:
            self._worst = min(values), source, levels

    def versions(self) -> tuple[Version, ...]:
        """Return the images of the frame that differs most, with the means over all frames."""
        if self._worst is None:
            return ()
        _, source, levels = self._worst
        versions = _versions(self._options, source.levels, levels, profiles=())
        if self._options.reference is None:
            return versions
        results = versions[2 : 2 + len(self._comparisons)]
        means = (
            replace(version, comparison=mean_of(kept)) for version, kept in zip(results, self._comparisons, strict=True)
        )
        # The source was not upscaled for every frame, so that it has no mean.
        plain = (replace(version, comparison=None) for version in versions[:2])
        return (*plain, *means, versions[-1])

    def series(self, total: int) -> Series:
        """Return the figures of all frames, and the worst of them in small."""
        lowest = [min(values) for values in zip(*self._values, strict=True)]
        gap = int(len(lowest) * _GAP)
        chosen: list[int] = []
        for number in sorted(range(len(lowest)), key=lowest.__getitem__):
            if len(chosen) < _MOST_ROWS and all(abs(number - other) > gap for other in chosen):
                chosen.append(number)
        rows = (
            FrameRow(
                index=self._compared[number][0],
                seconds=self._compared[number][1],
                psnr_y=lowest[number],
                thumbnails=self._thumbnails[number],
            )
            for number in chosen
        )
        names = self._options.names[: len(self._values)]
        return Series(
            against="the source by Lanczos" if self._options.reference is None else "the reference",
            indices=tuple(index for index, _ in self._compared),
            seconds=tuple(seconds for _, seconds in self._compared),
            curves=tuple(
                Curve(name=name, values=tuple(values)) for name, values in zip(names, self._values, strict=True)
            ),
            rows=tuple(rows),
            total=total,
        )


def _one_size(options: ReportOptions, levels: Sequence[Levels]) -> tuple[list[Levels], list[str]]:
    """Return the results (and the reference) in the size of the largest, with remarks on those that were resized.

    Raises:
        UnsupportedSizeError: there is a reference, and a result has another size.

    """
    if options.reference is not None:
        for path, each in zip(options.results, levels, strict=False):
            with naming(path, options.reference):
                check_same_size(each, levels[-1])
        return list(levels), []
    height, width = max((each.shape[:2] for each in levels), key=lambda shape: shape[0] * shape[1])
    remarks = []
    sized: list[Levels] = []
    for path, each in zip(options.results, levels, strict=True):
        if each.shape[:2] == (height, width):
            sized.append(each)
        else:
            sized.append(_upscaled(each, height, width, "cubic"))
            remarks.append(f"{path.name}: it is shown resized to {width} x {height} pixels (bicubic), as others have")
    return sized, remarks


def _versions(
    options: ReportOptions, source: Levels, levels: Sequence[Levels], *, profiles: Sequence[bytes | None]
) -> tuple[Version, ...]:
    """Return the source by bicubic and Lanczos, the results, and the reference."""
    height, width = levels[0].shape[:2]
    profiles = profiles or [None] * (1 + len(levels))
    upscaled: list[tuple[str, Levels, bytes | None]] = [
        (_BICUBIC, _upscaled(source, height, width, "cubic"), profiles[0]),
        (_LANCZOS, _upscaled(source, height, width, "lanczos3"), profiles[0]),
    ]
    named = [*upscaled, *zip(options.names, levels, profiles[1:], strict=True)]
    if options.reference is None:
        return tuple(Version(name=name, pixels=rounded(each), icc=icc) for name, each, icc in named)
    reference = levels[-1]
    compared = (
        Version(
            name=name,
            pixels=rounded(each),
            icc=icc,
            comparison=compare(each, reference),
            heat=difference(each, reference),
        )
        for name, each, icc in named[:-1]
    )
    return (*compared, Version(name=named[-1][0], pixels=rounded(reference), icc=named[-1][2]))


def _contents(
    options: ReportOptions, versions: tuple[Version, ...], files: tuple[FileFacts, ...], *, remarks: Sequence[str]
) -> Contents:
    results = versions[2 : 2 + len(options.results)]
    if options.reference is None:
        others = [each.pixels for each in (versions[1], *results)]
        by = "the results and the source by Lanczos differ most from each other"
    else:
        others = []
        by = "the results differ most from the reference"
    height, width = versions[0].pixels.shape[:2]
    error = np.zeros((height, width))
    for first, second in pairwise(others):
        error += difference(first, second) ** 2
    for result in results:
        if result.heat is not None:
            error += result.heat**2
    return Contents(
        title=options.title or f"{options.source.name} upscaled",
        versions=versions,
        places=places_that_differ(error, side=_CROP_SIDE, most=_MOST_CROPS),
        places_by=by,
        files=files,
        has_reference=options.reference is not None,
        remarks=tuple(remarks),
    )


def _upscaled(levels: Levels, height: int, width: int, kernel: Kernel) -> Pixels:
    """Resize as published tables do, a channel at a time: at 4K, all at once take more than 1 GB."""
    channels = (round_to_uint8(resize(levels[..., each], height, width, kernel=kernel)) for each in range(3))
    return np.stack(list(channels), axis=2)


def _remarks(videos: Sequence[ViewedVideo]) -> tuple[str, ...]:
    return tuple(f"{video.path.name}: {note}" for video in videos for note in video.notes)
