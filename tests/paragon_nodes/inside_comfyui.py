"""Call a function in ComfyUI's Python, with its own modules but without its server, and print what it returns as JSON.

Arguments: a module in the folder ``inside``, the function, the folder of temporary files, the checkout of ComfyUI, and
the function's arguments.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

module, function, temporary, checkout, *arguments = sys.argv[1:]
sys.argv[1:] = ["--cpu"]
sys.path.insert(0, str(ROOT))
from tests.paragon_nodes import start_comfyui  # before ComfyUI, which has tests of its own

sys.path.insert(0, checkout)
start_comfyui.fill_gaps()
import comfy.options

comfy.options.enable_args_parsing()
import folder_paths

folder_paths.set_temp_directory(temporary)
found = getattr(importlib.import_module(f"tests.paragon_nodes.inside.{module}"), function)(*arguments)
print(json.dumps(found))
