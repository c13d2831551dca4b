"""ComfyUI's own classes and modules without its server, each time in its Python."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.paragon_nodes.comfy_server import ROOT

PRELUDE = """
import io, json, sys
from fractions import Fraction
from pathlib import Path
temporary, *folders = sys.argv[1:]
sys.argv[1:] = ["--cpu"]
sys.path[:0] = folders
import start_comfyui
start_comfyui.fill_gaps()
import comfy.options
comfy.options.enable_args_parsing()
import av, folder_paths, numpy as np, torch
folder_paths.set_temp_directory(temporary)
from comfy_api.latest import InputImpl, Types
from paragon_core.errors import ParagonError

def told(call, *arguments, **options):
    try:
        call(*arguments, **options)
    except ParagonError as error:
        return [str(error), error.hint]
    return None
"""


def answer(folder: Path, code: str) -> Any:
    """Run code with ``folder`` as the folder of temporary files; it prints JSON last."""
    checkout = os.environ.get("COMFYUI_PATH")
    if not checkout:
        pytest.skip("needs COMFYUI_PATH, a checkout of ComfyUI")
    python = os.environ.get("COMFYUI_PYTHON", sys.executable)
    folders = [folder, Path(checkout).resolve(), ROOT, Path(__file__).parent]
    command = [python, "-c", PRELUDE + code, *map(str, folders)]
    printed = subprocess.run(command, cwd=folder, check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(printed.splitlines()[-1])
