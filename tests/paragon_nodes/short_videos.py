"""Short videos."""

from __future__ import annotations

from typing import TYPE_CHECKING

import av
import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt


def pan(photo: Path, video: Path, *, size: tuple[int, int] = (160, 120), frames: int = 12) -> None:
    """Write a camera of that size that moves over a photo, as H.264."""
    width, height = size
    with Image.open(photo) as image, av.open(str(video), "w") as container:
        whole = image.convert("RGB")
        stream = container.add_stream("libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for n in range(frames):
            left, top = ((long - short) * n // frames for long, short in zip(whole.size, size, strict=True))
            seen = whole.crop((left, top, left + width, top + height))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.asarray(seen), format="rgb24")))
        container.mux(stream.encode())


def frames_of(video: Path) -> npt.NDArray[np.uint8]:
    """Return the frames of a video: [n, height, width, 3]."""
    with av.open(str(video)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
