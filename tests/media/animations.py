"""Random animations: what each frame looks like, and files that hold them."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PIL import GifImagePlugin, Image

if TYPE_CHECKING:
    from pathlib import Path

Pixels = npt.NDArray[Any]

TRANSPARENT = 255


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """An animation and its frames as they are viewed."""

    frames: list[Pixels]
    """HxWx4 uint8."""
    durations: list[int]
    """Milliseconds."""
    plays: int
    """Number of times that it is shown; 0 for endless."""


def drawn(seed: int, *, alpha: bool, half: bool = False, unit: int = 1) -> Drawn:
    """A block that moves over flat colours; ``half``: with half-transparent pixels."""
    random = np.random.default_rng(seed)
    width, height = (int(side) for side in random.integers(6, 24, 2))
    frames = []
    ground = np.array([*random.integers(0, 256, 3), 0 if alpha else 255], np.uint8)
    for _ in range(int(random.integers(2, 6))):
        frame = np.tile(ground, (height, width, 1))
        if not alpha or random.random() < 0.5:
            frame[: height // 2] = [*random.integers(0, 256, 3), 255]
        y, x = random.integers(0, height - 4), random.integers(0, width - 4)
        frame[y : y + 4, x : x + 4] = [*random.integers(0, 256, 3), random.integers(1, 255) if half else 255]
        frames.append(frame)
    durations = [unit * int(count) for count in random.integers(20 // unit or 1, 200 // unit, len(frames))]
    return Drawn(frames=frames, durations=durations, plays=int(random.choice([0, 1, 2, 7])))


def save(path: Path, animation: Drawn) -> Path:
    """Write an animation with Pillow, without loss where the format can."""
    first, *others = (Image.fromarray(frame) for frame in animation.frames)
    options: dict[str, Any] = {"lossless": True} if path.suffix == ".webp" else {"quality": 95}
    plays = animation.plays if path.suffix != ".gif" else None if animation.plays == 1 else max(animation.plays - 1, 0)
    if plays is not None:
        options["loop"] = plays
    first.save(path, save_all=True, append_images=others, duration=animation.durations, **options)
    return path


def random_gif(seed: int) -> tuple[bytes, Drawn]:
    """A GIF of frames with boxes, disposals, palettes and transparency of all kinds, some over the canvas's border."""
    random = np.random.default_rng(seed)
    width, height = (int(side) for side in random.integers(5, 20, 2))
    loop = [None, 0, 1, 5][int(random.integers(4))]
    palette = random.integers(0, 256, (256, 3)).astype(np.uint8)
    stream = io.BytesIO()
    stream.write(
        b"GIF89a" + width.to_bytes(2, "little") + height.to_bytes(2, "little") + b"\xf7\0\0" + palette.tobytes()
    )
    if loop is not None:
        stream.write(b"!\xff\x0bNETSCAPE2.0\3\1" + int(loop).to_bytes(2, "little") + b"\0")
    canvas = np.zeros((height, width, 4), np.uint8)
    frames, durations = [], []
    for number in range(int(random.integers(1, 7))):
        disposal = int(random.integers(0, 4))
        left, top = int(random.integers(0, width)), int(random.integers(0, height))
        beyond = 3 if number else 0
        columns = int(random.integers(1, width - left + 1 + beyond))
        rows = int(random.integers(1, height - top + 1 + beyond))
        indices = random.integers(0, 256, (rows, columns)).astype(np.uint8)
        own = random.random() < 0.5
        colours = random.integers(0, 256, (256, 3)).astype(np.uint8) if own else palette
        transparent = TRANSPARENT if random.random() < 0.7 else None
        if transparent is not None:
            indices[random.random(indices.shape) < 0.4] = TRANSPARENT
        image = Image.fromarray(indices, "P")
        image.putpalette(colours.tobytes())
        durations.append(10 * int(random.integers(0, 30)))
        options = {} if transparent is None else {"transparency": transparent}
        stream.writelines(
            GifImagePlugin.getdata(
                image,
                (left, top),
                duration=durations[-1] or 1,  # a control block even where nothing else asks for one
                disposal=disposal,
                include_color_table=own,
                **options,
            )
        )
        before = canvas.copy()
        part = canvas[top : top + rows, left : left + columns]
        indices = indices[: part.shape[0], : part.shape[1]]
        shown = np.concatenate([colours[indices], np.full((*indices.shape, 1), 255, np.uint8)], axis=2)
        part[...] = np.where(
            (indices == transparent)[..., np.newaxis] if transparent is not None else False, part, shown
        )
        frames.append(canvas.copy())
        if disposal == 2:
            part[...] = 0
        elif disposal == 3:
            canvas = before
    stream.write(b";")
    plays = 1 if loop is None else 0 if loop == 0 else int(loop) + 1
    return stream.getvalue(), Drawn(frames=frames, durations=durations, plays=plays)
