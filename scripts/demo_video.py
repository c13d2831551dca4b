"""The video of scripts/demo: pan over an image, and upscale that with examples/upscale.vpy in vspipe.

python scripts/demo_video.py IMAGE FOLDER
"""

from __future__ import annotations

import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av
import vapoursynth
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SCRIPT = Path(__file__).resolve().parents[1] / "examples" / "upscale.vpy"
RATE = Fraction(24)
SECONDS = 2

#: Width and height of the small video.
WIDTH, HEIGHT = 320, 240


def main(arguments: Sequence[str]) -> int:
    """Make FOLDER/video.mp4 and FOLDER/video-upscaled.mp4."""
    photo, folder = map(Path, arguments)
    small, raw, large = folder / "video.mp4", folder / "video-upscaled.y4m", folder / "video-upscaled.mp4"
    encode(pan(photo), small)
    vspipe = Path(vapoursynth.__file__).with_name("vspipe.exe" if os.name == "nt" else "vspipe")
    # vspipe keeps a file about its Python; here, not among the user's settings.
    settings = {name: str(folder.resolve() / "settings") for name in ("XDG_CONFIG_HOME", "APPDATA")}
    try:
        done = subprocess.run(
            [vspipe, "-c", "y4m", "-a", f"source={small}", SCRIPT, raw], check=False, env=os.environ | settings
        )
        if done.returncode:
            return done.returncode
        encode(frames_of(raw), large)
    finally:
        raw.unlink(missing_ok=True)
    print(f"\nBefore: {small}\nAfter:  {large}")
    return 0


def pan(photo: Path) -> Iterable[av.VideoFrame]:
    """Yield the frames of a camera that moves over a photo."""
    with Image.open(photo) as image:
        whole = image.convert("RGB")
    count = int(RATE * SECONDS)
    for n in range(count):
        left, top = ((length - side) * n // count for length, side in zip(whole.size, (WIDTH, HEIGHT), strict=True))
        frame = av.VideoFrame.from_image(whole.crop((left, top, left + WIDTH, top + HEIGHT)))
        yield frame.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG")


def frames_of(path: Path) -> Iterable[av.VideoFrame]:
    """Yield the frames of a file."""
    with av.open(path) as container:
        yield from container.decode(video=0)


def encode(frames: Iterable[av.VideoFrame], path: Path) -> None:
    """Write frames, YUV of BT.709 and limited range, as H.264."""
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"crf": "16"})
        stream.pix_fmt = "yuv420p"
        stream.codec_context.colorspace = stream.codec_context.color_primaries = stream.codec_context.color_trc = 1
        stream.codec_context.color_range = 1
        for n, frame in enumerate(frames):
            if n == 0:
                stream.width, stream.height = frame.width, frame.height
            frame.pts, frame.time_base = n, 1 / RATE
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
