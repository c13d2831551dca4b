"""Random networks and images for the tests of everything that runs without torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from paragon_core.models.checkpoint import Checkpoint
from paragon_core.models.model import from_checkpoint
from paragon_core.models.spec import ModelSpec
from tests.models.checkpoint_files import published_v6, random_arrays

if TYPE_CHECKING:
    import numpy.typing as npt

    from paragon_core.models.model import Model


def spec(variant: Any, **changes: Any) -> ModelSpec:
    """Return a network of the given kind that is small and yet has everything; ``changes`` override its fields."""
    small: dict[str, Any] = {
        "variant": variant,
        "revision": "v9" if variant == "photo" else "v11",
        "scale": 2,
        "channels": 16 if variant == "pro" else 8,
        "groups": 1,
        "blocks": 2,
        "attention": variant in {"photo", "pro"},
        "window_size": 4,
        "upsampler_alpha": 0.3,
    }
    return ModelSpec(**(small | changes))


def random_model(of: ModelSpec, seed: int = 0) -> Model:
    """Return a model whose tensors all matter, so that a mistake anywhere changes the image.

    It goes through recognition like a file.
    """
    arrays = random_arrays(of, seed)
    for key, values in arrays.items():
        if key.startswith("base."):
            continue
        if key == "detail_gain":
            scaled: npt.NDArray[Any] = np.array(0.5)
        elif key.endswith(("gamma", "norm.scale")):
            scaled = 0.5 + values / 10
        elif values.ndim == 4 or "weight" in key:
            scaled = values / max(int(np.prod(values.shape[1:])), 1) ** 0.5
        else:
            scaled = values / 10
        arrays[key] = np.asarray(scaled, dtype=np.float32)
    stored = published_v6(arrays) if of.revision == "v6" else arrays
    checkpoint = Checkpoint(arrays=dict(stored), metadata={}, sha256="0" * 64, name="random")
    model = from_checkpoint(checkpoint, upsampler_alpha=of.upsampler_alpha, window_size=of.window_size)
    assert model.spec == of
    return model


def overflowing_arrays() -> dict[str, npt.NDArray[Any]]:
    """Return a stream network whose products leave the range of float16 on one-pixel patterns in full contrast.

    In an eighth of that contrast they do not. What follows them is not small enough to be balanced with them; conv_mid
    brings the features back.
    """
    arrays = dict(random_model(spec("stream", revision="v9", blocks=1, upsampler_alpha=0.0)).arrays)
    larger = 33000.0
    for key, values in arrays.items():
        if ".gate." in key:
            arrays[key] = values * np.float32(larger**0.5)
        elif key.endswith(".out.weight"):
            arrays[key] = values / np.abs(values).max()
        elif key == "conv_mid.weight":
            arrays[key] = values / np.float32(larger)
    return arrays


def overflowing_model() -> Model:
    """Return the network of `overflowing_arrays`."""
    checkpoint = Checkpoint(arrays=overflowing_arrays(), metadata={}, sha256="0" * 64, name="overflowing")
    return from_checkpoint(checkpoint, upsampler_alpha=0.0)


def random_image(height: int, width: int, *channels: int, dtype: str = "uint8", seed: int = 0) -> npt.NDArray[Any]:
    """Return noise over the whole range of a data type: [height, width, *channels]."""
    values = np.random.default_rng(seed).random((height, width, *channels))
    peak = np.iinfo(dtype).max if dtype.startswith("u") else 1
    return (np.rint(values * peak) if peak != 1 else values).astype(dtype)


def batch(count: int, height: int, width: int, channels: int = 3, seed: int = 0) -> npt.NDArray[np.float32]:
    """Return noise in 0..1 as networks take it: [count, channels, height, width]."""
    return np.random.default_rng(seed).random((count, channels, height, width), dtype=np.float32)


#: Radius 6, x2, softened, far beyond 0..1: clipping matters.
MODEL = random_model(spec("realtime"))
RADIUS = 6
