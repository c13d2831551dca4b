"""What happens to a low-resolution image: other reducers than bicubic, blur, noise, JPEG, WebP, H.264.

Compression takes longer than a step of training, so every image gets a few degraded forms before the first step, and
a patch draws one of them. For H.264 see `paragon_core.training.moving_clips`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from paragon_core.errors import InputError
from paragon_core.quality.blur import blurred
from paragon_core.quality.h264 import HIGHEST_CRF, PRESETS, compress
from paragon_core.quality.lossy import as_jpeg, as_webp
from paragon_core.quality.resize import resize, round_to_uint8
from paragon_core.training.moving_clips import FIRST_KEPT, FRAMES, join_in_grid, moving_clip, split_grid
from paragon_core.training.reductions import TRAINING_REDUCERS, Reduction, TrainingReducer, draw_reduction

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.floating]

#: What a form can be compressed as, in the order of the shares.
_KINDS: Final = ("h264", "jpeg", "webp", "none")

#: How many pixels of large images are encoded together: 24 tiles of scripts/train-data, or a single photograph.
_PIXELS_A_VIDEO = 24 * 192 * 192

#: Largest factor of an earlier, larger JPEG: with a larger one nothing of its compression is left.
_MOST_RECOMPRESSED_SIZE = 4

_JPEG_SUBSAMPLINGS = ("4:4:4", "4:2:2", "4:2:0")


@dataclass(frozen=True, kw_only=True)
class Degradations:
    """Which degraded forms an image gets. Values are drawn uniformly from each range, again for each form."""

    clean_share: float = 0.25
    """Share of the patches that are only reduced, by bicubic, so that the network does not forget clean images."""
    forms: int = 4
    """Degraded forms of each image; each takes as much memory as the low-resolution image."""
    h264_share: float = 1.0
    """Share of the forms that are compressed as video."""
    crf: tuple[float, float] = (18, 35)
    """Range of x264's constant rate factor."""
    jpeg_share: float = 0.0
    """Share of the forms that are compressed as JPEG."""
    jpeg_quality: tuple[float, float] = (50, 95)
    """Range of Pillow's JPEG quality; chroma is 4:4:4, 4:2:2 or 4:2:0."""
    webp_share: float = 0.0
    """Share of the forms that are compressed as WebP; what the three shares leave is not compressed."""
    webp_quality: tuple[float, float] = (50, 95)
    """Range of Pillow's WebP quality, lossy."""
    recompressed_share: float = 0.0
    """Share of the JPEG and WebP forms that come from a JPEG that was larger: images go from site to site."""
    recompressed_size: tuple[float, float] = (1, 1.5)
    """Range of how much larger it was; its quality is drawn from `jpeg_quality`."""
    sharpening: tuple[float, float] = (0, 0)
    """Range of the amount of an unsharp mask of one pixel after the reduction; it leaves halos."""
    reducers: tuple[TrainingReducer, ...] = ("bicubic",)
    """What reduces a form (`paragon_core.training.reductions`); one that is named twice is drawn twice as often."""
    camera_blur: tuple[float, float] = (0, 0.7)
    """Range of the Gaussian's standard deviation in the reducer "camera", in pixels of the large image."""
    blur: tuple[float, float] = (0, 0)
    """Range of the Gaussian's standard deviation before the reduction, in pixels of the large image."""
    noise: tuple[float, float] = (0, 0)
    """Range of the standard deviation of noise that is the same everywhere, in levels of 0..255."""
    shot_noise: tuple[float, float] = (0, 0)
    """Range of the standard deviation, at white, of noise that grows with the root of the light, in levels."""
    seed: int = 0
    """Decides the forms."""

    def __post_init__(self) -> None:
        """Refuse impossible values.

        Raises:
            InputError: naming the field and the values that it may have.

        """
        shares = (self.h264_share, self.jpeg_share, self.webp_share)
        for name in ("clean_share", "recompressed_share"):
            if not 0 <= getattr(self, name) <= 1:
                msg = f"{name} must lie in 0..1, not {getattr(self, name)}"
                raise InputError(msg)
        if not (min(shares) >= 0 and sum(shares) <= 1 + 1e-9):
            msg = f"h264_share, jpeg_share and webp_share must not be negative nor exceed 1 together, not {shares}"
            raise InputError(msg)
        if self.forms < 1:
            msg = f"forms must be at least 1, not {self.forms}"
            raise InputError(msg)
        limits = {
            "crf": (1, HIGHEST_CRF),
            "jpeg_quality": (1, 100),
            "webp_quality": (1, 100),
            "recompressed_size": (1, _MOST_RECOMPRESSED_SIZE),
        }
        if not self.reducers or not set(self.reducers) <= set(TRAINING_REDUCERS):
            msg = f"reducers must be some of {', '.join(TRAINING_REDUCERS)}, not {self.reducers}"
            raise InputError(msg)
        for name in (*limits, "sharpening", "camera_blur", "blur", "noise", "shot_noise"):
            (low, high), (least, most) = getattr(self, name), limits.get(name, (0, 100))
            if not least <= low <= high <= most:
                msg = f"{name} must be a range in {least}..{most}, the smaller end first, not {(low, high)}"
                raise InputError(msg)


@dataclass(frozen=True, kw_only=True, eq=False)
class Form:
    """A degraded form of an image."""

    low: Pixels
    """(H / scale)x(W / scale)x3."""
    down: int = 0
    """Rows of the large image above the first low-resolution pixel, less than the scale. The last pixels then show
    what is beyond the image, mirrored."""
    right: int = 0
    """Columns left of it."""


def degraded_forms(images: Sequence[Pixels], scale: int, options: Degradations) -> list[list[Form]]:
    """Return ``options.forms`` low-resolution forms of every image.

    Args:
        images: large ones, HxWx3, RGB, sides multiples of ``scale``.
        scale: how much smaller the forms are.
        options: which forms.

    Raises:
        BackendUnavailableError: if H.264 is asked for and PyAV is missing.

    """
    result: list[list[Form]] = [[] for _ in images]
    for number in range(options.forms):
        generator = np.random.default_rng((options.seed, number))
        shares = (options.h264_share, options.jpeg_share, options.webp_share)
        kinds = generator.choice(len(_KINDS), size=len(images), p=(*shares, max(0.0, 1 - sum(shares))))
        for index in np.flatnonzero(kinds).tolist():
            reduction = _reduction(scale, options, generator)
            prepared = _blurred(reduction.prepared(images[index]), options, generator)
            kind = _KINDS[kinds[index]]
            if kind != "none" and options.recompressed_share and generator.random() < options.recompressed_share:
                prepared = _published(prepared, reduction, scale, options, generator)
            reduced = _sharpened(reduction.reduce(prepared, scale), options, generator)
            low = _noisy(reduced, _noise(options, generator), generator)
            if kind == "jpeg":
                low = _as_jpeg(low, options, generator)
            elif kind == "webp":
                low = as_webp(low, round(generator.uniform(*options.webp_quality)))
            result[index].append(Form(low=low, down=reduction.down, right=reduction.right))
        for batch in _alike(images, generator.permutation(np.flatnonzero(kinds == 0))):
            videos = _as_video([images[index] for index in batch], scale, options, generator)
            for index, form in zip(batch, videos, strict=True):
                result[index].append(form)
    return result


def _blurred(image: Pixels, options: Degradations, generator: np.random.Generator) -> Pixels:
    return blurred(image, generator.uniform(*options.blur))


def _reduction(scale: int, options: Degradations, generator: np.random.Generator) -> Reduction:
    return draw_reduction(options.reducers, scale, options.camera_blur, generator)


def _noise(options: Degradations, generator: np.random.Generator) -> tuple[float, float]:
    return generator.uniform(*options.noise), generator.uniform(*options.shot_noise)


def _noisy(image: Floats, noise: tuple[float, float], generator: np.random.Generator) -> Pixels:
    even, shot = noise
    if even or shot:
        deviation = np.sqrt(even**2 + shot**2 * np.clip(image, 0, 255) / 255)
        image = image + deviation * generator.standard_normal(image.shape, dtype=np.float32)
    return round_to_uint8(image.astype(np.float64))


def _as_jpeg(image: Pixels, options: Degradations, generator: np.random.Generator) -> Pixels:
    quality = round(generator.uniform(*options.jpeg_quality))
    return as_jpeg(image, quality, str(generator.choice(_JPEG_SUBSAMPLINGS)))


def _published(
    image: Pixels, reduction: Reduction, scale: int, options: Degradations, generator: np.random.Generator
) -> Pixels:
    """Return a large image as it comes back from a JPEG that was less small than a form is."""
    height, width, _ = image.shape
    factor = min(generator.uniform(*options.recompressed_size) / scale, 1)
    smaller = resize(image, round(height * factor), round(width * factor), kernel=reduction.kernel)
    published = _as_jpeg(round_to_uint8(smaller), options, generator)
    return round_to_uint8(resize(published, height, width))


def _sharpened(image: Floats, options: Degradations, generator: np.random.Generator) -> Floats:
    if not any(options.sharpening):
        return image
    amount = generator.uniform(*options.sharpening)
    result: Floats = image + amount * (image - blurred(round_to_uint8(image.astype(np.float64)), 1.0))
    return result


def _alike(images: Sequence[Pixels], indices: Iterable[int]) -> Iterator[list[int]]:
    """Yield which images become one video: all of one size, and not too many."""
    by_shape: dict[tuple[int, ...], list[int]] = {}
    for index in indices:
        by_shape.setdefault(images[index].shape, []).append(int(index))
    for (height, width, _), same in by_shape.items():
        count = max(1, _PIXELS_A_VIDEO // (height * width))
        for start in range(0, len(same), count):
            yield same[start : start + count]


def _as_video(
    images: Sequence[Pixels], scale: int, options: Degradations, generator: np.random.Generator
) -> list[Form]:
    kept = int(generator.integers(FIRST_KEPT, FRAMES))
    crf = round(generator.uniform(*options.crf), 1)
    preset = PRESETS[generator.integers(len(PRESETS))]
    clips, reductions = [], []
    for image in images:
        reduction = _reduction(scale, options, generator)
        prepared = _blurred(reduction.prepared(image), options, generator)
        moving = moving_clip(prepared, scale, kept, generator, reduction.kernel)
        noise = _noise(options, generator)
        clips.append([_noisy(frame, noise, generator) for frame in moving])
        reductions.append(reduction)
    frames = compress(join_in_grid(clips), crf=crf, preset=preset)
    height, width, _ = clips[0][0].shape
    lows = split_grid(frames[kept], height, width, len(clips))
    return [Form(low=low, down=each.down, right=each.right) for low, each in zip(lows, reductions, strict=True)]
