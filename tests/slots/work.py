"""Jobs for slots, settings for them, and what a single process makes of the jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from paragon_core.media.jobs import plan, run
from paragon_core.media.upscalers import Upscalers
from paragon_core.slots.settings import SlotSettings
from paragon_core.upscaling.model_choice import suitable_models
from paragon_core.upscaling.options import UpscaleOptions
from tests.media import samples, stand_in_upscaling

if TYPE_CHECKING:
    from pathlib import Path

    from paragon_core.media.jobs import Job, JobResult

#: The same arithmetic in every environment of the tests.
OPTIONS: Final = UpscaleOptions(backend="onnxruntime", precision="fp32")


def settings(**changes: Any) -> SlotSettings:
    """Return the settings of a slot with a bundled network."""
    return SlotSettings(models=dict(suitable_models("realtime-2x")), **({"options": OPTIONS} | changes))


def images(folder: Path, count: int, size: tuple[int, int] = (120, 80)) -> Path:
    """Write images of noise, one of them broken, and return their folder."""
    for number in range(count):
        stand_in_upscaling.save(folder / f"{number:02}.png", samples.pixels(number, size[1], size[0], 3))
    (folder / "broken.png").write_bytes(b"broken")
    return folder


def jobs_of(sources: Path, target: Path) -> tuple[Job, ...]:
    """Return the jobs of a folder."""
    return plan([sources], target, suffix="")


def alone(jobs: tuple[Job, ...], of: SlotSettings) -> tuple[JobResult, ...]:
    """Upscale in this process."""
    with Upscalers(of.models, of.size, of.options) as upscalers:
        return run(
            jobs,
            lambda array, size=None: upscalers.for_image((array.shape[1], array.shape[0]), size)(array, size=size),
            scale=2,
        )


def content(folder: Path) -> dict[str, bytes]:
    """Return all files in a folder, hidden ones included."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
