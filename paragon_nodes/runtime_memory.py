"""Memory that runtimes other than torch hold: ComfyUI knows how much, and they give it back when it asks."""

from __future__ import annotations

import threading
import weakref
from typing import TYPE_CHECKING, Any

import comfy.model_patcher
import torch
from comfy import model_management

if TYPE_CHECKING:
    from collections.abc import Callable


class ParagonRuntime(torch.nn.Module):
    """What ComfyUI's log names; it has no weights that could be moved."""


class RuntimePatcher(comfy.model_patcher.ModelPatcher):
    """What ComfyUI's model management sees of a runtime: all of its memory can be given back, none of it moved.

    It is a plain ModelPatcher also where ComfyUI has a dynamic one (CoreModelPatcher), which pages weights of torch.
    """

    def __init__(self, device: torch.device, release: Callable[[], None]) -> None:
        """Stand for a runtime on a device.

        Args:
            device: where its memory is.
            release: method of an object that gives the memory back; that object may hold this one.

        """
        super().__init__(ParagonRuntime(), load_device=device, offload_device=torch.device("cpu"))
        self._release = weakref.WeakMethod(release)
        self._held = 0
        self._management = threading.Lock()  # ComfyUI's is made for one thread; frames of videos come from several

    def reserve_memory(self, needed: int) -> None:
        """Have ComfyUI free a number of bytes for the runtime, unless it has them already."""
        with self._management:
            if needed > self._held:
                self.size = needed
                model_management.load_models_gpu([self])

    def model_size(self) -> int:
        """Return how many bytes the runtime needs."""
        return int(self.size)

    def loaded_size(self) -> int:
        """Return how many of them it may hold now."""
        return self._held

    def partially_load(self, device_to: torch.device, *_limits: Any, **_more: Any) -> int:  # noqa: ANN401 - ComfyUI's signature varies
        """Note that there is room; the runtime takes it by itself."""
        more = self.size - self._held
        self._held = self.size
        self.model.device = device_to
        return int(more)

    def partially_unload(self, *_limits: Any, **_more: Any) -> int:  # noqa: ANN401 - likewise
        """Free nothing: it is all or nothing, and ComfyUI asks for all next."""
        return 0

    def detach(self, unpatch_all: bool = True) -> Any:  # noqa: ANN401, FBT001, FBT002 - ComfyUI's signature
        """Give the memory back. Without ``unpatch_all``, ComfyUI only lets go of this object to take it up again."""
        model = super().detach(unpatch_all)
        release = self._release()
        if unpatch_all:
            self._held = 0
            if release is not None:
                release()
        return model
