"""Images are written, and upscaled without a network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from PIL import ImageCms

from paragon_core.media.images import LoadedImage, write_image
from paragon_core.media.jobs import Job, JobResult, run

if TYPE_CHECKING:
    from pathlib import Path

    from paragon_core.media.loaded_image import Array

#: A colour profile.
SRGB: Final = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def save(path: Path, array: Array, **surroundings: Any) -> Path:
    """Write a lossless image, in a folder that is made if needed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_image(path, LoadedImage(array=array, format="png", lossless=True, **surroundings))
    return path


def twice(array: Array) -> Array:
    """Upscale by repeating pixels."""
    return array.repeat(2, axis=0).repeat(2, axis=1)


def upscale(source: Path, target: Path) -> JobResult:
    """Run the job of one file, with `twice` for the network."""
    (result,) = run([Job(source=source, target=target)], twice, scale=2, overwrite=True)
    return result
