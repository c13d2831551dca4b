"""Score user shaders on images and compressed video as players run them: PSNR of luma in dB, and SSIM.

python -m benchmarks.players --data FOLDER --shader OURS.glsl --shader ANOTHER.glsl [--limit 5] [--output X.json]

Shaders of others are not part of the project: name the files that you have. All must enlarge by ``--scale``, or leave
the rest to the player. Sources are made as `paragon_core.quality` makes them: *clean* is reduced by an antialiased
bicubic kernel, *box* by the mean of each block, *H.264* by x264 at a CRF, *soft H.264* blurred before that.
Vulkan's device is the first one; on a machine without a graphics card, Mesa's lavapipe.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from benchmarks.players.playing import SCALER, Pixels, play
from paragon_core.errors import ParagonError
from paragon_core.quality.evaluate import Pair, find_sets, means, read_pairs, score_set
from paragon_core.quality.video import BLUR, PANS, compressed_pairs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from paragon_core.quality.metrics import Score

#: Between x264's own choice and what streams are made with.
CRF: Final = 26.0


def sources(pairs: Sequence[Pair], crf: float) -> Iterator[tuple[str, Iterable[Pair]]]:
    """Yield each kind of source with its images and what they should become."""
    yield "clean", pairs
    yield "box", (replace(pair, low=box_reduced(pair.high, pair.scale)) for pair in pairs)
    for kind, blur in ((f"H.264 at CRF {crf:g}", 0.0), (f"soft H.264 at CRF {crf:g}", BLUR)):
        yield (
            kind,
            itertools.chain.from_iterable(
                compressed_pairs(pair, pan=pan, crf=crf, blur=blur)
                for pair, pan in zip(pairs, itertools.cycle(PANS), strict=False)
            ),
        )


def box_reduced(image: Pixels, scale: int) -> Pixels:
    """Return the rounded means of the blocks of an image [h, w, 3], sides multiples of ``scale``."""
    height, width = (side // scale for side in image.shape[:2])
    blocks = image.reshape(height, scale, width, scale, -1)
    return np.asarray(np.rint(blocks.mean(axis=(1, 3))).astype(np.uint8))


def measure(pairs: Sequence[Pair], shaders: Sequence[Path], *, scale: int, crf: float) -> dict[str, dict[str, Score]]:
    """Return for each kind of source, for each shader and the player's own scaler, the mean score."""
    methods: dict[str, Callable[[Pixels], Pixels]] = {SCALER: partial(play, scale=scale)}
    methods |= {shader.stem: partial(play, scale=scale, shader=shader.resolve()) for shader in shaders}
    return {kind: means(score_set(images, methods)) for kind, images in sources(pairs, crf)}


def table(results: Mapping[str, Mapping[str, Mapping[str, Mapping[str, float]]]]) -> list[str]:
    """Return the PSNR of what ``--output`` wrote as the rows of a table: a row for each shader."""
    kinds = [(folder, kind) for folder, found in results.items() for kind in found]
    methods = next(iter(next(iter(results.values())).values()))
    rows = [
        f"| {' | '.join(['shader', *(f'{folder}, {kind}' for folder, kind in kinds)])} |",
        f"|---|{'---:|' * len(kinds)}",
    ]
    for method in methods:
        scores = (results[folder][kind][method]["psnr_y"] for folder, kind in kinds)
        name = f"the player's {method}" if method == SCALER else method.removeprefix("paragon-")
        rows.append(f"| {' | '.join([name, *(f'{score:.2f}' for score in scores)])} |")
    return rows


def main(arguments: Sequence[str]) -> int:
    """Print a table and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.players", description=str(__doc__).partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of images, or folder of such folders")
    parser.add_argument("--shader", type=Path, action="append", required=True, help="may be given more than once")
    parser.add_argument("--scale", type=int, default=2, help="of all of them [2]")
    parser.add_argument("--crf", type=float, default=CRF, help=f"constant rate factor of x264 [{CRF:g}]")
    parser.add_argument("--limit", type=int, help="only as many images of each folder")
    parser.add_argument("--output", type=Path, help="JSON to write")
    options = parser.parse_args(arguments)
    results = {}
    try:
        for folder in find_sets(options.data):
            pairs = list(itertools.islice(read_pairs(folder, options.scale), options.limit))
            results[folder.name] = measure(pairs, options.shader, scale=options.scale, crf=options.crf)
            for kind, scores in results[folder.name].items():
                print(f"{folder.name}, {kind}")
                for name, score in scores.items():
                    print(f"    {name:<40} {score.psnr_y:6.2f}  {score.ssim:.4f}")
    except ParagonError as error:
        print(f"error: {error}\nhint: {error.hint}", file=sys.stderr)
        return 2
    if options.output:
        plain = {
            folder: {kind: {name: asdict(score) for name, score in scores.items()} for kind, scores in kinds.items()}
            for folder, kinds in results.items()
        }
        options.output.write_text(json.dumps(plain, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
