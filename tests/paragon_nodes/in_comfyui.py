"""ComfyUI's own classes and modules without its server, each time in its Python."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


def answer(folder: Path, module: str, function: str, *arguments: object) -> Any:
    """Return what a function returns there, with ``folder`` as the folder of temporary files and of engines.

    Args:
        folder: an empty one.
        module: one in the folder ``inside``.
        function: its name in the module.
        arguments: of the function, which gets them as texts.

    """
    checkout = os.environ.get("COMFYUI_PATH")
    if not checkout:
        pytest.skip("needs COMFYUI_PATH, a checkout of ComfyUI")
    python = os.environ.get("COMFYUI_PYTHON", sys.executable)
    program = Path(__file__).with_name("inside_comfyui.py")
    given = (module, function, folder, Path(checkout).resolve(), *arguments)
    cache = folder.with_name(f"{folder.name}-cache")  # not in it: tests look at what is left there
    environment = os.environ | {"PARAGON_CACHE": str(cache), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [python, str(program), *map(str, given)]
    result = subprocess.run(command, cwd=folder, env=environment, check=False, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])
