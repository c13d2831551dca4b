"""Scores on compressed video: images become short clips, x264 compresses them, models upscale the decoded frames.

    python -m paragon_core.quality.video --data FOLDER --model realtime-2x --model realtime-video-2x

A crop pans over each image by whole pixels. Its frames are blurred slightly, because real video is not sharp to the
last pixel, then reduced as the protocol of `paragon_core.quality.evaluate` says, then encoded as H.264. What a model
makes of a decoded frame is compared with the crop itself: unblurred, unreduced, never compressed. Needs PyAV.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from paragon_core.errors import BackendError, InputError, ParagonError, UnsupportedSizeError, as_lines
from paragon_core.quality.blur import blurred
from paragon_core.quality.evaluate import Pair, find_sets, make_pair, means, read_pairs, score_set, upscale_classically
from paragon_core.quality.h264 import compress
from paragon_core.quality.metrics import Score, mean_score
from paragon_core.upscaling.upscaler import Upscaler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

Pixels = npt.NDArray[np.uint8]

#: Frames in a clip, and which of them are scored.
FRAMES = 12
SCORED = (3, 7, 11)

#: Pans in pixels of the original a frame, down and right; the images of a set take turns.
PANS = ((0, 3), (2, -1), (-3, 0), (1, 1), (0, 0), (-1, 3), (3, 2))

#: x264's own choice, and two that streams are made with.
CRFS = (23.0, 28.0, 33.0)

#: Standard deviation of the blur in pixels of the original.
BLUR = 0.7


def compressed_pairs(pair: Pair, *, pan: tuple[int, int], crf: float, blur: float = BLUR) -> Iterator[Pair]:
    """Yield the scored frames of a clip as the compressed frame and what it should become.

    Args:
        pair: an original; only its high-resolution image is used.
        pan: pixels of the original that the crop moves down and right from frame to frame.
        crf: constant rate factor of x264.
        blur: standard deviation in pixels of the original; 0: none.

    Raises:
        BackendUnavailableError: if PyAV or its x264 is missing.
        UnsupportedSizeError: if the image is too small for its pan.

    """
    crops = list(_crops(pair.high, pan))
    frames = list(_crops(blurred(pair.high, blur), pan))
    lows = [make_pair(pair.name, frame, pair.scale).low for frame in frames]
    decoded = compress(lows, crf=crf)
    for index in SCORED:
        high = make_pair(pair.name, crops[index], pair.scale).high
        yield Pair(name=f"{pair.name} frame {index}", low=decoded[index], high=high)


def score_compressed(
    pairs: Sequence[Pair], methods: Mapping[str, Callable[[Pixels], Pixels]], *, crf: float, blur: float = BLUR
) -> dict[str, Score]:
    """Return the mean score of every method over the scored frames of all clips.

    Args:
        pairs: the originals of one set.
        methods: for each name a function from HxWx3 to sHxsWx3, RGB, uint8.
        crf: constant rate factor of x264.
        blur: standard deviation in pixels of the original.

    """
    scores = {}
    for index, pair in enumerate(pairs):
        frames = compressed_pairs(pair, pan=PANS[index % len(PANS)], crf=crf, blur=blur)
        scores.update(score_set(frames, methods))
    return means(scores)


def _crops(image: Pixels, pan: tuple[int, int]) -> Iterator[Pixels]:
    down, right = pan
    way_down, way_right = (FRAMES - 1) * down, (FRAMES - 1) * right
    height, width = image.shape[0] - abs(way_down), image.shape[1] - abs(way_right)
    if min(height, width) < 1:
        msg = f"an image of {image.shape[1]}x{image.shape[0]} pixels is too small for a clip"
        raise UnsupportedSizeError(msg, hint="take larger images")
    for time in range(FRAMES):
        top, left = max(0, -way_down) + down * time, max(0, -way_right) + right * time
        yield image[top : top + height, left : left + width]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0, 2 for bad input, 3 for a backend that does not work here."""
    options = _parser().parse_args(arguments)
    try:
        for line in _report(options.data, options.model, options.crf, options.blur):
            sys.stdout.write(line + "\n")
    except ParagonError as error:
        sys.stderr.write(as_lines(error))
        return 3 if isinstance(error, BackendError) else 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m paragon_core.quality.video",
        description="Score models on frames that x264 compressed: PSNR on luma (dB) and SSIM.",
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of images, or folder of such folders")
    parser.add_argument("--model", action="append", required=True, help="name or file; may be given more than once")
    parser.add_argument("--crf", type=float, nargs="+", default=CRFS, help="constant rate factors [23 28 33]")
    parser.add_argument("--blur", type=float, default=BLUR, help=f"blur of the originals in pixels [{BLUR}]")
    return parser


def _report(data: Path, models: Sequence[str], crfs: Sequence[float], blur: float) -> Iterator[str]:
    with ExitStack() as stack:
        upscalers = {Path(name).stem: stack.enter_context(Upscaler(name, precision="fp32")) for name in models}
        if len({upscaler.scale for upscaler in upscalers.values()}) != 1:
            msg = "the models have different scales"
            raise InputError(msg, hint="compare models of one scale")
        scale = next(iter(upscalers.values())).scale
        methods: dict[str, Callable[[Pixels], Pixels]] = {
            "bicubic": partial(upscale_classically, scale=scale, kernel="cubic"),
            "lanczos": partial(upscale_classically, scale=scale, kernel="lanczos3"),
            **upscalers,
        }
        yield "PSNR-Y in dB / SSIM".ljust(20) + "".join(f"{name:>20}" for name in methods)
        for folder in find_sets(data):
            pairs = list(read_pairs(folder, scale))
            rows = {f"CRF {crf:g}": score_compressed(pairs, methods, crf=crf, blur=blur) for crf in crfs}
            rows["mean"] = {name: mean_score([row[name] for row in rows.values()]) for name in methods}
            for what, row in rows.items():
                cells = "".join(f"{f'{score.psnr_y:.3f} / {score.ssim:.4f}':>20}" for score in row.values())
                yield f"{folder.resolve().name} {what}".ljust(20) + cells


if __name__ == "__main__":
    sys.exit(main())
