"""Start a checkout of ComfyUI with a CPU build of torch: ``start_comfyui.py CHECKOUT [arguments of main.py]``.

torchvision's wheels from PyPI are made for CUDA builds of torch. With others its compiled part does not load, and
its Python part then stumbles over operators that nobody declared. So they are declared here. torchaudio, which only
nodes for sound need, is replaced by a module without content where it is not installed. ComfyUI itself is unchanged.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import runpy
import sys
import types
from pathlib import Path

import torch


class Empty(types.ModuleType):
    """A package in which every class is there, and is nothing."""

    __path__: list[str] = []  # noqa: RUF012 - the import system looks for it here

    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return object


def declare_operators() -> None:
    library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")  # type: ignore[no-untyped-call]
    KEPT.append(library)


def stand_in_for_torchaudio() -> None:
    for name in ("torchaudio", "torchaudio.functional", "torchaudio.transforms"):
        module = Empty(name)
        module.__spec__ = importlib.machinery.ModuleSpec(name, None, is_package=True)
        sys.modules[name] = module


def fill_gaps() -> None:
    if torch.version.cuda is None:
        declare_operators()
    if importlib.util.find_spec("torchaudio") is None:
        stand_in_for_torchaudio()


KEPT: list[torch.library.Library] = []

if __name__ == "__main__":
    fill_gaps()
    checkout = sys.argv.pop(1)
    os.chdir(checkout)
    sys.path[0] = str(Path.cwd())
    sys.argv[0] = "main.py"
    runpy.run_path("main.py", run_name="__main__")
