"""Random networks and pictures for the tests of everything that runs without torch."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from paragon_core.checkpoint import Checkpoint
from paragon_core.detect import expected_shapes
from paragon_core.kernels import BINOMIAL_TAPS, SOFTENING_TAPS
from paragon_core.model import from_checkpoint
from paragon_core.spec import ModelSpec

if TYPE_CHECKING:
    import numpy.typing as npt

    from paragon_core.model import Model

FIXED_KERNELS = {"base.sharp": SOFTENING_TAPS, "base.blur": BINOMIAL_TAPS}


def spec(variant: Any, **changes: Any) -> ModelSpec:  # noqa: ANN401  (fields of the dataclass)
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
    """Return a model whose tensors all matter, so that a mistake anywhere changes the picture.

    It goes through recognition like a file; v6 networks, whose files have other names, through their v9 twin.
    """
    generator = np.random.default_rng(seed)
    arrays: dict[str, npt.NDArray[np.float32]] = {}
    for key, shape in expected_shapes(of).items():
        noise = generator.standard_normal(shape)
        kernel = next((taps for name, taps in FIXED_KERNELS.items() if key.startswith(name)), None)
        if kernel is not None:
            values = np.tile(kernel, 3).reshape(shape) if len(shape) == 4 else kernel
        elif key == "detail_gain":
            values = np.array(0.5)
        elif key.endswith(("gamma", "norm.scale")):
            values = 0.5 + 0.1 * noise
        elif len(shape) == 4 or "weight" in key:
            values = noise / max(int(np.prod(shape[1:])), 1) ** 0.5
        else:
            values = 0.1 * noise
        arrays[key] = np.asarray(values, dtype=np.float32)
    checkpoint = Checkpoint(arrays=arrays, metadata={}, sha256="0" * 64, name="random")
    model = from_checkpoint(checkpoint, upsampler_alpha=of.upsampler_alpha, window_size=of.window_size)
    return replace(model, spec=of)


def picture(height: int, width: int, *channels: int, dtype: str = "uint8", seed: int = 0) -> npt.NDArray[Any]:
    """Return noise over the whole range of a data type: [height, width, *channels]."""
    values = np.random.default_rng(seed).random((height, width, *channels))
    peak = np.iinfo(dtype).max if dtype.startswith("u") else 1
    return (np.rint(values * peak) if peak != 1 else values).astype(dtype)


def batch(count: int, height: int, width: int, channels: int = 3, seed: int = 0) -> npt.NDArray[np.float32]:
    """Return noise in 0..1 as networks take it: [count, channels, height, width]."""
    return np.random.default_rng(seed).random((count, channels, height, width), dtype=np.float32)
