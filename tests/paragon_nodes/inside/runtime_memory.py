"""A model that has upscaled an image, in ComfyUI's Python, and what its runtime holds."""

from __future__ import annotations

import gc
import weakref
from typing import TYPE_CHECKING, Any

import torch
from comfy import model_management

from paragon_core.backends import BACKENDS
from paragon_core.backends.engine_backend import EngineBackend
from paragon_core.errors import ParagonError
from paragon_core.models.model import load
from paragon_nodes.upscale_model import UpscaleModel
from tests.reference_backend import Reference

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Image = npt.NDArray[np.float32]

loads: list[object] = []


class Counted(Reference):
    """Counts the engines that it loads."""

    def load(self, *given: Any, **more: Any) -> Any:
        loads.append(given)
        return super().load(*given, **more)


BACKENDS["reference"] = EngineBackend(Counted())
image: Image = torch.rand(70, 80, 3).numpy()


def used(backend: str) -> tuple[UpscaleModel, Image]:
    """Return a model and what it made of the image."""
    model = UpscaleModel(load("realtime-2x"), backend=backend, precision="auto")
    return model, model.upscaler(0)(image)


def sessions_of(model: UpscaleModel) -> dict[Any, Any]:
    sessions: dict[Any, Any] = model.upscaler(0)._runner.pool._sessions  # noqa: SLF001 - what it holds
    return sessions


def given_back(backend: str) -> list[Any] | str:
    try:
        model, large = used(backend)
    except ParagonError as error:
        return str(error)

    def state() -> list[Any]:
        known = model.patcher in model_management.loaded_models()
        return [known, model.patcher.loaded_size(), len(sessions_of(model))]

    states, off = [state()], 0.0
    for ask in (model_management.unload_all_models, lambda: model_management.free_memory(1e30, torch.device("cpu"))):
        ask()
        states.append(state())
        off = max(off, float(abs(model.upscaler(0)(image) - large).max()))
        states.append(state())
    return [states, off, len(loads)]


def asked_for(backend: str) -> list[Any] | str:
    try:
        model, _ = used(backend)
    except ParagonError as error:
        return str(error)
    held = [model.patcher.loaded_size()]
    asked: list[int] = []
    load_models_gpu = model_management.load_models_gpu

    def watched(models: Any) -> None:
        asked.append(models[0].model_size())
        load_models_gpu(models)

    model_management.load_models_gpu = watched
    for each in (image[:40], image.repeat(2, 0), image):
        model.upscaler(0)(each)
        held.append(model.patcher.loaded_size())
    return [held, asked, len(model_management.loaded_models())]


def forgotten(backend: str) -> list[Any] | str:
    try:
        model, _ = used(backend)
    except ParagonError as error:
        return str(error)
    session = weakref.ref(next(iter(sessions_of(model).values())))
    gc.collect()
    gc.disable()
    del model
    return [session() is None, len(model_management.loaded_models())]
