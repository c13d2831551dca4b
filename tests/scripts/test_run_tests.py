"""How the script that runs all tests divides them, and what it tells of several runs."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from scripts import run_tests
from scripts.run_tests import PARTS, ROOT, Run, in_parts, side_by_side
from tests.fresh_python import run

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = Run(environment=Path(sys.prefix), markers="not torch", arguments=[], processor=None)


def test_every_test_file_is_in_one_part() -> None:
    rest, *others = in_parts(HERE)
    ignored = [argument.removeprefix("--ignore=") for argument in rest.arguments]
    assert ignored == [folder for each in others for folder in each.arguments]
    assert all((ROOT / folder).is_dir() for folder in ignored)
    assert not [a for a in ignored for b in ignored if a != b and a.startswith(f"{b}/")]
    assert [each.title for each in others] == list(PARTS)


@pytest.fixture
def pytest_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Run]:
    """Return a function that makes a run of code in place of pytest."""
    real = subprocess.Popen

    def start(command: list[str], **options: object) -> object:
        return real([sys.executable, "-c", command[-1]], **(options | {"cwd": tmp_path}))  # type: ignore[call-overload]  # passed on

    monkeypatch.setattr("scripts.run_tests.subprocess.Popen", start)
    return lambda code: Run(environment=Path("run"), markers="", arguments=[code], processor=None, title=code[:9])


def test_outputs_come_whole_and_in_order_and_codes_as_they_are(tmp_path: Path) -> None:
    """With pytest as it is: the first run is the slowest, and the last has no tests."""
    for name, seconds, outcome in (("first", 1.0, "True"), ("second", 0.0, "False"), ("third", 0.0, "True")):
        code = f"import time\ndef test_{name}():\n    time.sleep({seconds})\n    assert {outcome}\n"
        (tmp_path / f"test_{name}.py").write_text(code, "utf-8")
    (tmp_path / "test_none.py").touch()
    result = run(f"""
import sys
from pathlib import Path
from scripts.run_tests import Run, side_by_side
names = ["first", "second", "third", "none"]
files = [Path({str(tmp_path)!r}) / f"test_{{name}}.py" for name in names]
print(side_by_side([
    Run(environment=Path(sys.prefix), markers="not gpu", arguments=["-pno:cacheprovider", str(file)], processor=None,
        title=file.stem)
    for file in files
]))
""")
    lines = result.stdout.splitlines()
    assert lines[-1] == "[0, 1, 0, 5]"
    titles = [line.rpartition(", test_")[2] for line in lines if line.startswith("== pytest")]
    assert titles == ["first", "second", "third", "none"]
    ends = [line for line in lines if re.search(r"(passed|failed|deselected|no tests ran) in ", line)]
    assert [end.split()[2] for end in ends] == ["passed", "failed", "passed", "tests"]
    assert [line.rpartition(", test_")[2] for line in lines[-5:-1]] == titles


@pytest.mark.parametrize("processors", [1, 2])
def test_as_many_run_at_once_as_there_are_processors(
    pytest_of: Callable[[str], Run], monkeypatch: pytest.MonkeyPatch, processors: int
) -> None:
    monkeypatch.setattr(run_tests, "processors", lambda: processors)
    meet = """
import sys, time
from pathlib import Path
Path({here!r}).touch()
until = time.monotonic() + {seconds}
while not Path({other!r}).exists() and time.monotonic() < until: time.sleep(0.01)
sys.exit(Path({other!r}).exists())
"""
    seconds = 60 if processors == 2 else 0.5
    names = [("a", "b"), ("b", "a")]
    runs = [pytest_of(meet.format(here=here, other=other, seconds=seconds)) for here, other in names]
    assert side_by_side(runs) == ([1, 1] if processors == 2 else [0, 1])


def test_compiled_shaders_are_kept_with_the_environments(
    pytest_of: Callable[[str], Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = "import os, sys; sys.exit(os.environ['MESA_SHADER_CACHE_DIR'] != {!r})"
    monkeypatch.delenv("MESA_SHADER_CACHE_DIR", raising=False)
    assert pytest_of(ask.format("mesa")).start() == 0
    monkeypatch.setenv("MESA_SHADER_CACHE_DIR", "elsewhere")
    assert pytest_of(ask.format("elsewhere")).start() == 0


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="needs signals for one thread")
@pytest.mark.usefixtures("press_ctrl_c")  # which has SIGINT heeded
def test_ctrl_c_starts_nothing_more(
    pytest_of: Callable[[str], Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_tests, "processors", lambda: 1)
    runs = [pytest_of("import time; time.sleep(0.2)"), pytest_of("open('started', 'w').close()")]
    real = Run.start

    def start(given: Run, output: object = None) -> int:
        code = real(given, output)  # type: ignore[arg-type]  # passed on
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        time.sleep(0.5)  # until the main thread has heeded it
        return code

    monkeypatch.setattr(Run, "start", start)
    with pytest.raises(KeyboardInterrupt):
        side_by_side(runs)
    assert not (tmp_path / "started").exists()
