"""Compile what a program launches, for any card and without one."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from paragon_core.triton_kernels import kernels
from paragon_core.triton_kernels.program import Program

if TYPE_CHECKING:
    import pytest

    from paragon_core.graph.fused_weights import FusedWeights

_TYPES = {torch.float16: "*fp16", torch.float32: "*fp32", torch.uint8: "*u8"}
_WARP = 32


class Launch(NamedTuple):
    """A kernel with what it is called with."""

    kernel: Any
    arguments: tuple[Any, ...]
    options: dict[str, Any]

    @property
    def name(self) -> str:
        return str(self.kernel.__name__)


class Compiled(NamedTuple):
    """What became of a kernel."""

    shared: int
    """Bytes of shared memory."""
    ptx: str
    """NVIDIA's portable code."""
    cubin: bytes
    """Machine code."""

    @property
    def uses_tensor_cores(self) -> bool:
        return "mma." in self.ptx


class _Recorder:
    def __init__(self, kernel: Any, launches: list[Launch]) -> None:
        self._kernel = kernel
        self._launches = launches

    def __getitem__(self, grid: tuple[int, ...]) -> Any:
        assert all(grid)
        return lambda *arguments, **options: self._launches.append(Launch(self._kernel, arguments, options))


def launches_of(weights: FusedWeights, image: torch.Tensor, monkeypatch: pytest.MonkeyPatch) -> list[Launch]:
    """Return what a program would launch for images [batch, planes, height, width]."""
    launches: list[Launch] = []
    with monkeypatch.context() as patch:
        for name, kernel in vars(kernels).items():
            if isinstance(kernel, triton.JITFunction) and not name.startswith("_"):
                patch.setattr(kernels, name, _Recorder(kernel, launches))
        program = Program(weights, "cpu")
        scale, planes = weights.spec.scale, weights.image_channels
        count, _, height, width = image.shape
        out = torch.empty((count, planes, scale * height, scale * width), dtype=image.dtype)
        program.upscale(image, out, torch.empty(1, dtype=torch.uint8))
    return launches


def compile_for(launch: Launch, capability: int) -> Compiled:
    """Compile a launch for a compute capability, 75 for example; pointers are multiples of 16, as torch's are."""
    options = dict(launch.options)
    compiler = {name: options.pop(name) for name in ("num_warps", "num_stages")}
    given = dict(zip(launch.kernel.arg_names, launch.arguments, strict=False)) | options
    signature, constants, aligned = {}, {}, {}
    for index, name in enumerate(launch.kernel.arg_names):
        value = given[name]
        if isinstance(value, torch.Tensor):
            signature[name] = _TYPES[value.dtype]
            aligned[index,] = [["tt.divisibility", 16]]
        elif value is None or name in options:
            signature[name] = "constexpr"
            constants[name] = value
        else:
            signature[name] = "i32"
    source = ASTSource(fn=launch.kernel, signature=signature, constexprs=constants, attrs=aligned)
    made = triton.compile(source, target=GPUTarget("cuda", capability, _WARP), options=compiler)
    return Compiled(made.metadata.shared, made.asm["ptx"], made.asm["cubin"])


def registers(made: Compiled) -> tuple[int, int]:
    """Return registers of a thread, and bytes of what did not fit into them, from the machine code."""
    program = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "cuobjdump"
    with TemporaryDirectory() as folder:
        file = Path(folder) / "kernel.cubin"
        file.write_bytes(made.cubin)
        command = [str(program), "-res-usage", str(file)]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = re.search(r"REG:(\d+) STACK:(\d+)", said)
    assert found, said
    return int(found[1]), int(found[2])
