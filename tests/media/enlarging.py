"""Images are written, and enlarged without a network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from PIL import ImageCms

from paragon_core.media.images import Picture, write_image
from paragon_core.media.jobs import Outcome, Task, run

if TYPE_CHECKING:
    from pathlib import Path

    from paragon_core.media.picture import Array

#: A colour profile.
SRGB: Final = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def save(path: Path, array: Array, **surroundings: Any) -> Path:
    """Write a lossless image, in a folder that is made if needed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_image(path, Picture(array=array, format="png", lossless=True, **surroundings))
    return path


def twice(array: Array) -> Array:
    """Enlarge by repeating pixels."""
    return array.repeat(2, axis=0).repeat(2, axis=1)


def upscale(source: Path, target: Path) -> Outcome:
    """Run the job of one file, with `twice` for the network."""
    (outcome,) = run([Task(source=source, target=target)], twice, scale=2, overwrite=True)
    return outcome
