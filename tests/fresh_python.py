"""Run code in a Python of its own: with modules missing, with little memory, with its own output streams."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from tests.patience import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(__file__).resolve().parents[1]

_WITHOUT = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {names!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Absent())
"""


def run(
    code: str, *, without: Iterable[str] = (), path: Path | None = None, timeout: float = PATIENCE
) -> subprocess.CompletedProcess[str]:
    """Run ``code`` from the repository's root and return what it printed; it must succeed.

    Args:
        code: Python source, indented as it may be.
        without: packages that seem not to be installed.
        path: folder whose modules hide installed ones of the same name.
        timeout: seconds until it counts as hanging.

    """
    lines = [_WITHOUT.format(names=set(without))] if without else []
    if path is not None:
        lines.append(f"import sys; sys.path.insert(0, {str(path)!r})")
    source = "\n".join([*lines, textwrap.dedent(code)])
    result = subprocess.run(
        [sys.executable, "-X", "utf8", "-c", source],
        cwd=ROOT,
        check=False,
        capture_output=True,
        encoding="utf-8",
        timeout=timeout,
    )
    assert result.returncode == 0, result.stderr
    return result
