"""Run code in a Python of its own: with modules missing, with little memory, with its own output streams."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.patience import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT: Final = Path(__file__).resolve().parents[1]

#: Folder of the programs that tests run; each takes arguments and prints what it found.
PROGRAMS: Final = Path(__file__).with_name("programs")

_WITHOUT = """
import os, sys
if "native" in {names!r}:
    os.environ["PARAGON_NATIVE_LIBRARY"] = "absent"
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {names!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Absent())
"""


def command(
    code: str | Path, *arguments: object, without: Iterable[str] = (), path: Path | None = None
) -> tuple[str, ...]:
    """Return the command that runs code from the repository's root.

    Args:
        code: Python source, indented as it may be, or one of the `PROGRAMS`.
        arguments: what it finds in sys.argv[1:].
        without: packages that seem not to be installed; "native" stands for the native kernel.
        path: folder whose modules hide installed ones of the same name.

    """
    lines = [_WITHOUT.format(names=set(without))] if without else []
    if path is not None:
        lines.append(f"import sys; sys.path.insert(0, {str(path)!r})")
    if isinstance(code, Path):  # by -c, so that it finds what is below the current folder
        code = f"import runpy; runpy.run_path({str(code)!r}, run_name='__main__')"
    source = "\n".join([*lines, textwrap.dedent(code)])
    return sys.executable, "-X", "utf8", "-c", source, *map(str, arguments)


def run(
    code: str | Path,
    *arguments: object,
    without: Iterable[str] = (),
    path: Path | None = None,
    check: bool = True,
    timeout: float = PATIENCE,
) -> subprocess.CompletedProcess[str]:
    """Run code from the repository's root and return what it printed.

    Args:
        code: as for `command`, and so are ``arguments``, ``without`` and ``path``.
        check: it must succeed.
        timeout: seconds until it counts as hanging.

    """
    result = subprocess.run(
        command(code, *arguments, without=without, path=path),
        cwd=ROOT,
        check=False,
        capture_output=True,
        encoding="utf-8",
        timeout=timeout,
    )
    assert result.returncode == 0 or not check, result.stderr
    return result


def start(code: str | Path, *arguments: object) -> subprocess.Popen[str]:
    """Start code from the repository's root, with pipes; code and arguments are as for `command`."""
    return subprocess.Popen(
        command(code, *arguments),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        cwd=ROOT,
    )
