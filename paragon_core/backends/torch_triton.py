"""Whether torch's backend takes Paragon's own Triton kernels for a network (`paragon_core.triton_kernels`).

They compute in fp16 only, so the trial of that precision, its accuracy and its time, decides about them too.
"""

from __future__ import annotations

import importlib.metadata
import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from paragon_core.backends.failures import unavailable
from paragon_core.errors import BackendUnavailableError
from paragon_core.graph.fuse import for_grey, fuse_arrays
from paragon_core.triton_kernels import packing

if TYPE_CHECKING:
    import torch

    from paragon_core.backends.base import Precision
    from paragon_core.graph.graph_spec import GraphSpec
    from paragon_core.models.model import Model
    from paragon_core.triton_kernels.program import Program

HINT: Final = "for the fastest kernels on NVIDIA cards: pip install triton (on Windows: pip install triton-windows)"

#: Under these names Triton comes with torch or alone, for Linux and for Windows.
_DISTRIBUTIONS: Final = ("triton", "triton-windows")

#: Compute capability of the first cards whose tensor cores Triton uses. On older ones, those of Turing (7.5) too, it
#: multiplies matrices number by number: its code for them was looked at, and has no instruction of that kind.
_OLDEST: Final = (8, 0)

_TRIAL_SIDE: Final = 8

_LOG = logging.getLogger(__name__)


def version() -> str:
    """Return the version of the Triton that is installed; empty if there is none."""
    for name in _DISTRIBUTIONS:
        with suppress(importlib.metadata.PackageNotFoundError):
            return importlib.metadata.version(name)
    return ""


def find_program(model: Model, spec: GraphSpec, precision: Precision, device: torch.device) -> Program | None:
    """Return a network in own kernels, compiled and tried, or None where torch's layers are to run; the log says why.

    Args:
        model: the checkpoint.
        spec: fused or not, grey or not; bytes or floats are a matter of the call.
        precision: of the session.
        device: of the session.

    """
    import torch  # noqa: PLC0415 - optional, and slow to import

    if precision != "fp16" or not spec.fused or device.type != "cuda" or torch.version.cuda is None:
        return None
    try:
        _check(model, torch.cuda.get_device_capability(device))
        program = _import()(fuse_arrays(model.spec, for_grey(model.arrays) if spec.grey else model.arrays), device)
        _try(program, spec, model.spec.scale, device)
    except BackendUnavailableError as error:
        _LOG.info("no Triton kernels: %s (%s)", error, error.hint)
        return None
    except Exception as error:  # noqa: BLE001 - Triton compiles with programs of its own, which fail in many ways
        _LOG.warning("Triton kernels do not work here, torch's layers run instead: %s", " ".join(str(error).split()))
        return None
    return program


def _check(model: Model, capability: tuple[int, int]) -> None:
    """Refuse networks and cards that there are no kernels for."""
    if reason := packing.obstacle(model.spec):
        raise BackendUnavailableError(reason, hint="torch's own layers run it")
    if capability < _OLDEST:
        msg = f"they need compute capability {'.'.join(map(str, _OLDEST))}, not {'.'.join(map(str, capability))}"
        raise BackendUnavailableError(msg, hint="torch's own layers run it")


def _import() -> type[Program]:
    try:
        import triton  # noqa: F401, PLC0415 - optional, and only asked whether it is there

        from paragon_core.triton_kernels.program import Program  # noqa: PLC0415 - imports Triton
    except Exception as error:  # noqa: BLE001 - also what its own start raises, without a C compiler for example
        raise unavailable("Triton", error, hint=HINT) from None
    return Program


def _try(program: Program, spec: GraphSpec, scale: int, device: torch.device) -> None:
    """Run a tiny image, for which the kernels are compiled."""
    import torch  # noqa: PLC0415 - optional, and slow to import

    dtype = torch.uint8 if spec.io == "uint8" else torch.float32
    image = torch.zeros((1, spec.channels, _TRIAL_SIDE, _TRIAL_SIDE), dtype=dtype, device=device)
    planes = 1 if spec.grey else 3
    out = torch.empty((1, planes, scale * _TRIAL_SIDE, scale * _TRIAL_SIDE), dtype=dtype, device=device)
    finite = torch.empty(1, dtype=torch.uint8, device=device)
    program.upscale(image, out, finite)
    finite.item()  # waits, and raises what went wrong on the card
