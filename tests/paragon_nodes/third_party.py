"""A pack as others write them, for the tests: nodes that call upscale models in the ways that were seen in public."""

from __future__ import annotations

import copy
from typing import Any

import comfy.utils
import torch
from comfy import model_management


def tiled(upscale_model: Any, image: Any) -> Any:
    """Cut tiles, as core and its many copies do."""
    return comfy.utils.tiled_scale(
        image, upscale_model, tile_x=48, tile_y=48, overlap=16, upscale_amount=upscale_model.scale
    )


def plain(upscale_model: Any, image: Any) -> Any:
    device = model_management.get_torch_device()
    model_management.free_memory(model_management.module_size(upscale_model.model), device)
    upscale_model.to(device)
    return tiled(upscale_model, image.to(device))


def whole_batch(upscale_model: Any, image: Any) -> Any:
    return upscale_model(image)


def half(upscale_model: Any, image: Any) -> Any:
    upscale_model.to(model_management.get_torch_device())
    upscale_model.half()
    result = tiled(upscale_model, image.half())
    upscale_model.float()
    upscale_model.cpu()
    return result


def module_in_bfloat16(upscale_model: Any, image: Any) -> Any:
    assert upscale_model.supports_bfloat16
    upscale_model.model.to(torch.bfloat16)
    result = upscale_model(image.to(torch.bfloat16).contiguous(memory_format=torch.channels_last)).float()
    upscale_model.model.to(torch.float32)
    upscale_model.to("cpu")
    return result


def like_its_parameters(upscale_model: Any, image: Any) -> Any:
    first = next(upscale_model.model.parameters())
    image = image.to(first.device, first.dtype)
    return upscale_model.model.eval().to(first.device)(image)


def a_copy(upscale_model: Any, image: Any) -> Any:
    copied = copy.deepcopy(upscale_model).to(dtype=torch.float16)
    result = copied(image.half())
    assert upscale_model.dtype == torch.float32
    return result


def ultimate(upscale_model: Any, image: Any) -> Any:
    from comfy_extras.nodes_upscale_model import ImageUpscaleWithModel  # noqa: PLC0415 - as there

    return ImageUpscaleWithModel.execute(upscale_model, image.movedim(1, -1))[0].movedim(-1, 1)


def parameter_by_parameter(upscale_model: Any, image: Any) -> Any:
    for parameter in upscale_model.model.parameters():
        parameter.data = parameter.data.clone()
    upscale_model.model.eval()
    with torch.no_grad():
        return upscale_model(image)


PATTERNS = {
    each.__name__: each
    for each in (
        *(plain, whole_batch, half, module_in_bfloat16, like_its_parameters, a_copy, ultimate),
        parameter_by_parameter,
    )
}


class CallPattern:
    """Calls a model in one of these ways."""

    CATEGORY = "tests"
    FUNCTION = "run"
    RETURN_TYPES = ("IMAGE",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802 - ComfyUI's name
        return {"required": {"upscale_model": ("UPSCALE_MODEL",), "image": ("IMAGE",), "pattern": (list(PATTERNS),)}}

    def run(self, upscale_model: Any, image: Any, pattern: str) -> tuple[Any]:
        result = PATTERNS[pattern](upscale_model, image[..., :3].movedim(-1, 1))
        return (result.movedim(1, -1).float().cpu().clamp(0, 1),)


class HalfImage:
    """Returns images in float16, as some packs do; with NaN if asked."""

    CATEGORY = "tests"
    FUNCTION = "run"
    RETURN_TYPES = ("IMAGE",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802 - ComfyUI's name
        return {"required": {"image": ("IMAGE",), "with_nan": ("BOOLEAN", {"default": False})}}

    def run(self, image: Any, with_nan: bool) -> tuple[Any]:
        image = image.half().clone()
        if with_nan:
            image[-1, 3, 3] = float("nan")
        return (image,)


NODE_CLASS_MAPPINGS = {"TestCallPattern": CallPattern, "TestHalfImage": HalfImage}
