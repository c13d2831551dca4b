"""Small sound files of every kind that is read, to be damaged: images of all formats, videos in several containers."""

from __future__ import annotations

import io
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from tests.media import animations, samples
from tests.media.stand_in_upscaling import SRGB

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SIZE = (24, 20)
_ANIMATED = (".gif", ".png", ".webp", ".avif")

#: Names by what they hold, with Pillow's mode and options.
_IMAGES: dict[str, tuple[str, dict[str, Any]]] = {
    "bits.png": ("1", {}),
    "grey.png": ("L", {"transparency": 7, "dpi": (72, 72)}),
    "palette.png": ("P", {"transparency": 0}),
    "colour.png": ("RGB", {"icc_profile": SRGB}),
    "alpha.png": ("RGBA", {}),
    "deep.png": ("I;16", {}),
    "colour.jpg": ("RGB", {"icc_profile": SRGB, "dpi": (300, 300), "comment": b"none"}),
    "grey.jpg": ("L", {}),
    "progressive.jpg": ("RGB", {"progressive": True}),
    "inks.jpg": ("CMYK", {"icc_profile": samples.cmyk_profile()}),
    "lossy.webp": ("RGB", {"icc_profile": SRGB}),
    "lossless.webp": ("RGBA", {"lossless": True}),
    "raw.tif": ("RGB", {"dpi": (300, 300)}),
    "lzw.tif": ("RGB", {"compression": "tiff_lzw"}),
    "deflate.tif": ("RGBA", {"compression": "tiff_adobe_deflate"}),
    "packbits.tif": ("L", {"compression": "packbits"}),
    "fax.tif": ("1", {"compression": "group4"}),
    "jpeg.tif": ("RGB", {"compression": "jpeg"}),
    "float.tif": ("F", {}),
    "deep.tif": ("I;16", {}),
    "palette.tif": ("P", {}),
    "colour.avif": ("RGB", {"icc_profile": SRGB, "speed": 10}),
    "alpha.avif": ("RGBA", {"speed": 10}),
    "colour.bmp": ("RGB", {}),
    "palette.bmp": ("P", {}),
    "bits.bmp": ("1", {}),
    "still.gif": ("P", {"comment": b"none"}),
    "colour.tga": ("RGB", {}),
    "packed.tga": ("RGBA", {"compression": "tga_rle"}),
    "palette.tga": ("P", {}),
    "raw.dds": ("RGBA", {}),
    "blocks.dds": ("RGBA", {"pixel_format": "DXT5"}),
}

#: Names of videos, with what `videos.make` is to put into them.
_VIDEOS: dict[str, dict[str, Any]] = {
    "h264.mp4": {"codec": "libx264", "sound": ("aac",), "chapters": True, "subtitles": ("mov_text",)},
    "turned.mov": {"codec": "libx264", "rotation": 90, "sound": ("pcm_s16le",)},
    "h264.mkv": {"codec": "libx264", "sound": ("aac", "flac"), "subtitles": ("subrip",), "metadata": {"title": "x"}},
    "lossless.mkv": {"codec": "ffv1", "pixel_format": "yuv422p10le"},
    "hevc.mkv": {"codec": "libx265", "options": {"x265-params": "log-level=none"}},
    "h264.ts": {"codec": "libx264", "sound": ("mp2",)},
    "mpeg4.avi": {"codec": "mpeg4", "sound": ("mp3",)},
    "mpeg2.mpg": {"codec": "mpeg2video", "sound": ("mp2",)},
    "vp9.webm": {"codec": "libvpx-vp9", "sound": ("libopus",), "options": {"cpu-used": "8", "deadline": "realtime"}},
    "flash.flv": {"codec": "flv", "sound": ("aac",)},
    "motion.avi": {"codec": "mjpeg", "pixel_format": "yuvj420p"},
}


def images(folder: Path) -> list[Path]:
    """Make the images."""
    made = list(_images(folder))
    deep = samples.pixels(3, *_SIZE[::-1], 3, dtype=np.uint16)
    for name, data in (
        ("colour16.png", samples.png(samples.filtered_rows(deep), _SIZE, 16, 2)),
        ("interlaced16.png", samples.png(samples.adam7_rows(deep), _SIZE, 16, 2, interlace=1)),
        ("colour16.tif", samples.tiff(deep, ">")),
        ("alpha.tif", samples.tiff(samples.pixels(4, 20, 24, 4), extra=(2,))),
        ("pages.tif", _pages()),
        ("boxes.gif", animations.random_gif(2)[0]),
    ):
        (folder / name).write_bytes(data)
        made.append(folder / name)
    made += [animations.save(folder / f"moving{end}", animations.drawn(1, alpha=True)) for end in _ANIMATED]
    return made + list(_of_packages(folder))


def videos(folder: Path) -> list[Path]:
    """Make the videos; what this FFmpeg cannot encode is left out.

    Raises:
        ImportError: PyAV is missing.

    """
    import av  # noqa: PLC0415 - optional

    from tests.media.video import videos  # noqa: PLC0415 - needs PyAV

    made = []
    for name, recipe in _VIDEOS.items():
        if {recipe["codec"], *recipe.get("sound", ())} <= av.codecs_available:
            times = {"time_base": 1 / videos.RATE} if "time_base" not in recipe else {}
            made.append(videos.make(folder / name, size=(64, 64), **times, **recipe))
    return made


def _images(folder: Path) -> Iterator[Path]:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Maker"
    exif.get_ifd(0x8769)[0xA002] = 24
    for number, (name, (mode, options)) in enumerate(_IMAGES.items()):
        pixels = samples.pixels(number, *_SIZE[::-1], 3)
        image = Image.fromarray(pixels)
        if mode == "I;16":
            image = Image.fromarray(samples.pixels(number, *_SIZE[::-1], dtype=np.uint16))
        elif mode == "F":
            image = Image.fromarray(pixels[..., 0].astype(np.float32) / 255)
        elif mode != "RGB":
            image = image.convert(mode)
        described: dict[str, Any] = {"exif": exif} if number % 2 and not name.endswith(".bmp") else {}
        image.save(folder / name, **options, **described)
        yield folder / name


def _of_packages(folder: Path) -> Iterator[Path]:
    """Make images in the formats of optional packages that are installed."""
    with suppress(ImportError):
        import OpenEXR  # noqa: PLC0415 - optional

        pixels = samples.pixels(5, *_SIZE[::-1], 3).astype(np.float16) / np.float16(100)
        header = {"compression": OpenEXR.PIZ_COMPRESSION, "type": OpenEXR.scanlineimage}
        OpenEXR.File(header, {"RGB": pixels}).write(str(folder / "light.exr"))
        yield folder / "light.exr"
    with suppress(ImportError):
        import pillow_jxl  # noqa: F401, PLC0415 - optional; Pillow knows the format from then on

        Image.fromarray(samples.pixels(6, *_SIZE[::-1], 3)).save(folder / "colour.jxl", lossless=True)
        yield folder / "colour.jxl"


def _pages() -> bytes:
    stream = io.BytesIO()
    page = Image.fromarray(samples.pixels(9, *_SIZE[::-1], 3))
    page.save(stream, "TIFF", save_all=True, append_images=[page, page])
    return stream.getvalue()
