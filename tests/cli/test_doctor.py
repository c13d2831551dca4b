from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from paragon_core import __version__, available_backends
from paragon_core.backends import BACKENDS
from paragon_core.cli.main import main
from paragon_core.models.folders import model_folders
from paragon_core.native import library

if TYPE_CHECKING:
    import pytest

ROOT = Path(__file__).parents[2]


def test_what_works_here(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json"]) == 0
    findings = json.loads(capsys.readouterr().out)
    assert findings["paragon"] == __version__
    assert {found["name"]: found["works"] for found in findings["backends"]} == {
        info.name: info.available for info in available_backends()
    }
    named = {device: name for name, backend in BACKENDS.items() for device in backend.named_devices}
    assert {found["device"]: found["name"] for found in findings["devices"]}.items() <= named.items()
    assert all(found["works"] or found["hint"] for found in findings["devices"])
    assert findings["formats"]["png"]
    assert {"codec": "ffv1", "kind": "software", "name": "ffv1", "reason": ""} in findings["encoders"]
    assert [folder["path"] for folder in findings["folders"]] == list(map(str, model_folders()))
    assert main(["doctor"]) == 0
    output = capsys.readouterr()
    assert "onnxruntime" in output.out
    assert ": works (" in output.out
    assert "video encoders: libx264, " in output.out
    assert output.err == ""


def test_without_the_native_kernel_it_says_what_is_gained_with_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(library.VARIABLE, raising=False)
    monkeypatch.setattr(library, "_FILE", "no_such_file.so")
    assert main(["doctor"]) == 0
    output = capsys.readouterr().out
    assert "native: does not work: the native kernel was not built" in output
    assert "twice as fast" in output
    assert "C++ compiler" in output


def test_without_any_runtime_it_says_what_to_install() -> None:
    code = (
        "import os, sys; os.environ['PARAGON_NATIVE_LIBRARY'] = 'absent';"
        "sys.modules.update(openvino=None, onnxruntime=None, torch=None);"
        "from paragon_core.cli.main import main; sys.exit(main(['doctor']))"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=False, text=True)
    assert result.returncode == 3, result.stderr
    assert result.stdout.count("does not work") == len(available_backends())
    assert "pip install" in result.stdout
    assert result.stderr == ""
