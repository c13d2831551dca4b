"""Files to report on, made without a network."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, PngImagePlugin

from tests.media.video import videos

PHOTO = Path(__file__).parents[2] / "examples" / "chelsea.png"

#: What must not become part of a page.
HOSTILE = "<img src=x onerror=alert(1)>\"'&"


def photo_files(folder: Path, *, size: tuple[int, int] = (160, 120), name: str = "sharp.png") -> dict[str, Path]:
    """Write a source, two results of twice its size, and the reference, from the project's sample photo."""
    width, height = size
    text = PngImagePlugin.PngInfo()
    text.add_text("parameters", f"prompt {HOSTILE}")
    with Image.open(PHOTO) as photo:
        reference = photo.convert("RGB").resize((2 * width, 2 * height), Image.Resampling.LANCZOS)
    source = reference.resize(size, Image.Resampling.BICUBIC)
    made = {
        "source": (source, "source.png"),
        "soft": (source.resize(reference.size, Image.Resampling.BILINEAR), "soft.png"),
        "sharp": (source.resize(reference.size, Image.Resampling.LANCZOS), name),
        "reference": (reference, "reference.png"),
    }
    for image, file in made.values():
        image.save(folder / file, pnginfo=text)
    return {key: folder / file for key, (_, file) in made.items()}


def video_files(folder: Path) -> dict[str, Path]:
    """Write a source of 12 frames, a result of twice its size whose later frames are darker, and the reference."""
    times = range(12)
    return {
        "source": videos.make(folder / "v.mkv", times=times, metadata={"title": HOSTILE}),
        "result": videos.make(folder / "v_2x.mkv", times=times, size=(128, 96), darker_from=6),
        "reference": videos.make(folder / "reference.mkv", times=times, size=(128, 96)),
    }
