"""The Triton kernels on a card: the cases of tests/triton_kernels, sizes too large for the interpreter, and speed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

torch = pytest.importorskip("torch", reason="needs torch")
pytest.importorskip("triton", reason="needs Triton")

from paragon_core.backends.torch_triton import find_program
from paragon_core.graph.fuse import fuse
from paragon_core.graph.graph_spec import GraphSpec
from paragon_core.models.model import load
from paragon_core.triton_kernels.program import Program, Tile
from paragon_core.upscaling.trial_images import trial_images
from tests.triton_kernels.cases import CASES, Case, check, run

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.gpu

ROUNDS = 100


@pytest.fixture(autouse=True)
def _card() -> None:
    if not torch.cuda.is_available() or torch.version.cuda is None:
        pytest.skip("needs an NVIDIA card that torch can use")
    if torch.cuda.get_device_capability() < (8, 0):
        pytest.skip("needs tensor cores that Triton uses")


def program_of(name: str) -> Any:
    found = find_program(load(name), GraphSpec(io="uint8"), "fp16", torch.device("cuda", 0))
    assert found is not None, "the log says why"
    return found


@pytest.mark.parametrize("tile", ["as chosen", "as interpreted"])
@pytest.mark.parametrize("name", list(CASES))
def test_pixels(name: str, tile: str) -> None:
    case = CASES[name] if tile == "as interpreted" else replace(CASES[name], tile=None)
    check(case, run(case, "cuda"))


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("size", [(37, 53), (97, 130), (360, 640), (1, 4000), (3000, 1)], ids=str)
@pytest.mark.parametrize("network", ["realtime-2x", "realtime-4x"])
def test_larger_images(network: str, size: tuple[int, int], dtype: str) -> None:
    case = Case(network=network, size=size, dtype=dtype, tile=None)
    check(case, run(case, "cuda"))


def test_a_cuda_graph_computes_the_same() -> None:
    program = program_of("realtime-2x")
    first, second = (
        torch.from_numpy(trial_images()[name]).cuda().permute(2, 0, 1)[None]
        for name in ("an image like a photograph", "noise")
    )
    given, finite = first.clone(), torch.empty(1, dtype=torch.uint8, device="cuda")
    out, expected = (torch.empty((1, 3, 192, 192), dtype=torch.uint8, device="cuda") for _ in range(2))
    program.upscale(given, out, finite)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        program.upscale(given, out, finite)
    for image in (second, first):
        given.copy_(image)
        graph.replay()
        program.upscale(image, expected, finite)
        assert torch.equal(out, expected)


@pytest.mark.parametrize("size", [(360, 640), (720, 1280), (1080, 1920)], ids=str)
@pytest.mark.parametrize("network", ["realtime-2x", "realtime-4x", "stream-2x"])
def test_speed(network: str, size: tuple[int, int], record_property: Callable[[str, object], None]) -> None:
    """Nothing is asked of it but to be told: bytes on the card to bytes on the card, as one CUDA graph."""
    took = milliseconds(program_of(network), *size, scale=load(network).spec.scale)
    record_property(f"ms a frame, {network}, {size[1]}x{size[0]}", round(took, 4))
    print(f"{network} {size[1]}x{size[0]} on {torch.cuda.get_device_name()}: {took:.3f} ms")  # noqa: T201 - shown with -s


@pytest.mark.parametrize("tile", [(1, 32, 2), (2, 32, 2), (2, 32, 4), (4, 16, 2), (4, 32, 4), (8, 16, 4)], ids=str)
@pytest.mark.parametrize("network", ["realtime-2x", "stream-2x"])
def test_speed_of_tiles(
    network: str, tile: tuple[int, int, int], record_property: Callable[[str, object], None]
) -> None:
    """The same for other tiles than those of `program.TILES`, at 1920x1080: rows, columns and warps."""
    rows, columns, warps = tile
    model = load(network)
    program = Program(fuse(model), "cuda", tile=Tile(rows=rows, columns=columns, warps=warps))
    took = milliseconds(program, 1080, 1920, scale=model.spec.scale)
    record_property(f"ms a frame, {network}, tile {tile}", round(took, 4))
    print(f"{network}, {rows}x{columns} pixels on {warps} warps: {took:.3f} ms")  # noqa: T201 - shown with -s


def milliseconds(program: Program, height: int, width: int, *, scale: int) -> float:
    """Return the time of a frame of bytes."""
    given = torch.randint(0, 256, (1, height, width, 3), dtype=torch.uint8, device="cuda").permute(0, 3, 1, 2)
    out = torch.empty((1, scale * height, scale * width, 3), dtype=torch.uint8, device="cuda").permute(0, 3, 1, 2)
    finite = torch.empty(1, dtype=torch.uint8, device="cuda")
    program.upscale(given, out, finite)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        program.upscale(given, out, finite)
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    graph.replay()
    start.record()
    for _ in range(ROUNDS):
        graph.replay()
    end.record()
    end.synchronize()
    return float(start.elapsed_time(end) / ROUNDS)
