"""What the kernels are tried with, on a CPU by Triton's interpreter and on a card, and what must come out."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import torch
from safetensors.numpy import load_file

from paragon_core.backends import BACKENDS, SessionOptions
from paragon_core.graph.fuse import for_grey, fuse_arrays
from paragon_core.graph.graph_spec import GraphSpec
from paragon_core.models.model import load
from paragon_core.triton_kernels.program import Program, Tile
from tests.random_models import random_image, random_model, spec
from tests.reference_vectors import model_of_case, vectors

if TYPE_CHECKING:
    import numpy.typing as npt

    from paragon_core.models.model import Model

_DATA: Final = Path(__file__).parents[1] / "data"
PEAKS: Final = {"uint8": 255, "uint16": 65535, "float32": 1, "float16": 1}

_LARGE: Final = Tile(rows=8, columns=16, warps=2)

#: Errors in levels of bytes: of any value, and the root of their mean square where values are within 0..1.
MOST: Final = 1.0
RMS: Final = 0.12

#: The share of bytes that may be off by one: rounding goes the other way where values are near a half.
SHARE: Final = 0.05


@dataclass(frozen=True, kw_only=True)
class Case:
    """A network, and what it is called with."""

    network: str
    """A bundled one, a vector, or variant, revision and scale of a random one."""
    options: dict[str, Any] = field(default_factory=dict)
    """Of the random network."""
    size: tuple[int, int]
    """Height and width."""
    dtype: str = "uint8"
    """Type of the image."""
    result: str = ""
    """Type of the result, if it is another."""
    grey: bool = False
    """Whether there is one plane instead of three."""
    count: int = 1
    """Images at once."""
    detail: bool = False
    """Whether the detail path sees another image."""
    clip: bool = False
    """Whether floats are clipped."""
    overflows: bool = False
    """Whether its features leave the range of float16."""
    tile: Tile | None = _LARGE
    """The interpreter takes as long for a large tile as for a small one."""


class Result(NamedTuple):
    """What came out."""

    pixels: npt.NDArray[Any]
    """[batch, planes, height, width]."""
    finite: int
    """1 if all values were finite."""


CASES: Final = {
    "a single pixel": Case(network="realtime-2x", size=(1, 1), dtype="float32"),
    "many tiles": Case(network="realtime-2x", size=(5, 35), tile=None),
    "one column": Case(network="realtime-4x", size=(9, 1)),
    "one row, softened": Case(network="realtime v9 2", size=(1, 9), options={"upsampler_alpha": 0.4}),
    "grey words": Case(network="realtime v11 3", size=(4, 5), dtype="uint16", grey=True, count=2),
    "eight times": Case(network="realtime v11 8", size=(3, 4), dtype="float32", grey=True, clip=True),
    "two groups with skips": Case(
        network="realtime v6 2", size=(5, 4), options={"groups": 2, "blocks": 2}, dtype="float32", detail=True
    ),
    "an odd width": Case(
        network="realtime v9 4", size=(3, 3), options={"channels": 10}, dtype="float32", result="float16"
    ),
    "a vector": Case(network="v9_realtime_x3", size=(9, 8), dtype="float32", tile=Tile(rows=16, columns=16, warps=4)),
    "stream": Case(network="stream-2x", size=(7, 5)),
    "stream with a clamped product": Case(
        network="head_stream_x2", size=(17, 16), dtype="float32", tile=Tile(rows=16, columns=32, warps=4)
    ),
    "features too large": Case(network="realtime v9 2", size=(2, 3), overflows=True),
    "grey stream": Case(network="stream v11 4", size=(2, 3), grey=True, options={"channels": 8, "blocks": 1}),
}


def run(case: Case, device: str) -> Result:
    """Upscale with the kernels; bytes are interleaved, as sessions have them."""
    program = Program(fuse_arrays(*_arrays(case)), device, tile=case.tile)
    image = torch.from_numpy(image_of(case)).to(device)
    count, _, height, width = image.shape
    scale, planes = model_of(case).spec.scale, 1 if case.grey else 3
    dtype = getattr(torch, case.result or case.dtype)
    out = torch.zeros((count, scale * height, scale * width, planes), dtype=dtype, device=device).permute(0, 3, 1, 2)
    if case.dtype == "float32":
        out = out.contiguous()
    else:
        image = image.contiguous(memory_format=torch.channels_last)
    finite = torch.zeros(1, dtype=torch.uint8, device=device)
    program.upscale(image, out, finite, clip=case.clip)
    return Result(out.cpu().numpy(), int(finite.item()))


def check(case: Case, result: Result) -> None:
    """Compare with what ONNX Runtime makes of it in float32, or with the author's result."""
    assert result.finite == (not case.overflows)
    if case.overflows:
        return
    wanted = expected(case)
    dtype = case.result or case.dtype
    assert result.pixels.shape == wanted.shape
    assert result.pixels.dtype == dtype
    if case.clip or dtype.startswith("uint"):
        wanted = np.clip(wanted, 0, 1)
        assert result.pixels.min() >= 0
        assert result.pixels.max() <= PEAKS[dtype]
    if dtype == "uint8":
        levels = np.abs(result.pixels - np.rint(255 * wanted))
        assert levels.max() <= MOST
        assert (levels > 0).mean() <= SHARE
    else:
        levels = 255 * np.abs(result.pixels / np.float64(PEAKS[dtype]) - wanted)
        assert levels.max() <= MOST
        assert np.sqrt(np.mean(levels**2)) <= RMS * max(1, np.abs(wanted).max())


def expected(case: Case) -> npt.NDArray[np.float64]:
    """Return [batch, planes, height, width] of 0..1, not clipped."""
    if case.network in _vectors():
        return np.asarray(_tensors(case.network)["b2.out"][: case.count], dtype=np.float64)
    form = GraphSpec(grey=case.grey, separate_detail=case.detail)
    session = BACKENDS["onnxruntime"].open(model_of(case), form, SessionOptions(device="cpu"))
    image = image_of(case)
    return session.run(image.astype(np.float32) / np.float32(PEAKS[case.dtype])).astype(np.float64)


def image_of(case: Case) -> npt.NDArray[Any]:
    """Return [batch, planes, height, width]."""
    if case.network in _vectors():
        return _tensors(case.network)["b2.in"][: case.count]
    channels = (1 if case.grey else 3) * (2 if case.detail else 1)
    images = [random_image(*case.size, channels, dtype=case.dtype, seed=seed) for seed in range(case.count)]
    return np.ascontiguousarray(np.moveaxis(np.array(images), 3, 1))


def model_of(case: Case) -> Model:
    """Return the network."""
    if case.network in _vectors():
        vector = _vectors()[case.network]
        of_case = next(each for each in vector["cases"] if each["output"] == "b2.out")
        return model_of_case(_DATA, vector, of_case)
    if " " not in case.network:
        return load(case.network)
    variant, revision, scale = case.network.split()
    wanted = {"channels": 16 if variant == "realtime" else 32, "upsampler_alpha": 0.0} | case.options
    model = random_model(spec(variant, revision=revision, scale=int(scale), **wanted))
    if case.overflows:
        loud = dict(model.arrays)
        loud["conv_in.weight"] = loud["conv_in.weight"] * np.float32(1e7)
        return replace(model, arrays=loud)
    return model


def _arrays(case: Case) -> tuple[Any, Any]:
    model = model_of(case)
    return model.spec, for_grey(model.arrays) if case.grey else model.arrays


def _vectors() -> dict[str, Any]:
    return vectors(_DATA)


@functools.cache
def _tensors(name: str) -> dict[str, npt.NDArray[Any]]:
    return load_file(_DATA / _vectors()[name]["io"])
