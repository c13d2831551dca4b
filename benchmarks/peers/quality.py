"""How close the upscaled images are to the originals: measured where there are weights, else as published."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.peers.networks import NETWORKS
from benchmarks.peers.resampling import LIBRARIES
from benchmarks.peers.ways import our_models
from paragon_core.quality.evaluate import find_sets, means, read_pairs, score_set
from paragon_core.upscaling.upscaler import Upscaler

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

    Pixels = npt.NDArray[np.uint8]

MEASURED = "measured"


@dataclass(frozen=True, kw_only=True)
class Quality:
    """PSNR of luma of one method."""

    psnr: Mapping[str, float]
    """dB by the name of the test set."""
    source: str
    """`MEASURED`, or where it was published."""

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON knows it."""
        return {"psnr_y": dict(self.psnr), "source": self.source}


def name_of(method: str, library: str = "") -> str:
    """Return what a method's quality is kept under: the same kernel is not the same in every library."""
    return f"{method}, {library}" if library else method


def published(scale: int, chosen: Collection[str]) -> dict[str, Quality]:
    """Return the quality of other networks as far as it is published."""
    networks = [make(scale) for make in NETWORKS]
    return {
        network.name: Quality(psnr=network.published.psnr, source=network.published.source)
        for network in networks
        if network.published and network.name in chosen
    }


def measure(folder: Path, scale: int, chosen: Collection[str]) -> dict[str, Quality]:
    """Score Paragon's models and resampling by the protocol of `paragon_core.quality.evaluate`.

    Args:
        folder: has folders of images: the test sets.
        scale: the factor.
        chosen: methods that take part.

    Raises:
        InputError: there are no images.
        MediaError: one cannot be read.

    """
    upscalers = {
        name: Upscaler(model, device="cpu", precision="fp32", padding="zero")
        for name, model in our_models(scale).items()
        if name in chosen
    }
    kernels: dict[str, Callable[[Pixels], Pixels]] = {
        name_of(name, library): upscale
        for library, make in LIBRARIES.items()
        for name, upscale in make(scale).items()
        if name in chosen
    }
    try:
        found = {
            each.name: means(score_set(read_pairs(each, scale), {**upscalers, **kernels})) for each in find_sets(folder)
        }
    finally:
        for upscaler in upscalers.values():
            upscaler.close()
    return {
        name: Quality(psnr={each: scores[name].psnr_y for each, scores in found.items()}, source=MEASURED)
        for name in (*upscalers, *kernels)
    }
