"""What is known of the files, the models and the machine behind a report."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

from paragon_core import __version__
from paragon_core.benchmark.speed_report import describe_here
from paragon_core.media.formats import FORMATS
from paragon_core.media.png import decoded_text
from paragon_core.media.sources import unreadable
from paragon_core.report.contents import FileFacts

if TYPE_CHECKING:
    from pathlib import Path

    from paragon_core.models.model import Model
    from paragon_core.quality.viewed import ViewedImage, ViewedVideo

#: Texts of a file that are shown, and characters of each: workflows and prompts can be long.
_MOST_TEXTS: Final = 20
_LONGEST_TEXT: Final = 300
_LONGEST_KEY: Final = 60


def image_facts(role: str, path: Path, viewed: ViewedImage) -> FileFacts:
    """Return what is known of an image file.

    Raises:
        MediaError: it cannot be read.

    """
    loaded, (height, width) = viewed.loaded, viewed.levels.shape[:2]
    bits = loaded.bits or loaded.array.dtype.itemsize * 8
    channels = "grey" if loaded.is_grey else "RGB"
    facts = {
        "file": path.name,
        "size": f"{width} x {height} pixels",
        "format": f"{FORMATS[loaded.format].title}, {'lossless' if loaded.lossless else 'lossy'}",
        "channels": f"{channels}{' and alpha' if loaded.has_alpha else ''}, {bits} bits",
        **_file(path),
    }
    texts = dict(filter(None, map(decoded_text, loaded.png_text[:_MOST_TEXTS])))
    return FileFacts(role=role, facts=facts, text=_shortened(texts))


def video_facts(role: str, video: ViewedVideo, size: tuple[int, int], frames: int) -> FileFacts:
    """Return what is known of a video file after its frames were read.

    Args:
        role: of the file in the report.
        video: the video.
        size: width and height of its frames as viewed.
        frames: number of frames.

    Raises:
        MediaError: it cannot be read.

    """
    stream = video.reader.stream
    context = stream.codec_context
    facts = {
        "file": video.path.name,
        "size": f"{size[0]} x {size[1]} pixels",
        "frames": f"{frames}, {float(video.reader.rate):.5g} a second",
        "format": f"{video.reader.container.format.name}, {context.name}, {context.pix_fmt}",
        **_file(video.path),
    }
    return FileFacts(role=role, facts=facts, text=_shortened(dict(video.reader.container.metadata)))


def model_facts(model: Model) -> dict[str, str]:
    """Return what is known of a model."""
    return {
        "model": model.name,
        "variant": model.spec.variant,
        "scale": f"{model.spec.scale}x",
        "SHA-256": model.sha256,
    }


def machine_facts() -> dict[str, Any]:
    """Return the machine on which the report is made."""
    return {"Paragon": __version__, **describe_here()}


def _file(path: Path) -> dict[str, str]:
    try:
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        return {"bytes": f"{path.stat().st_size:,}", "SHA-256": digest}
    except OSError as error:
        raise unreadable(path, error) from error


def _shortened(texts: dict[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, text in list(texts.items())[:_MOST_TEXTS]:
        found[key[:_LONGEST_KEY]] = text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}..."
    return found
