"""The house itself: scripts, packaging, and the promises about importing."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.imports import imported_by
from tests.patience import PATIENCE

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = sorted(f"scripts/{path.name}" for path in (ROOT / "scripts").iterdir() if path.is_file() and not path.suffix)
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def fresh_python(code: str) -> str:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def test_importing_is_quick_and_loads_no_runtime() -> None:
    imported = imported_by("import paragon_core")
    assert imported.packages == {"paragon_core"}
    assert len(imported.modules) < 60  # 32
    assert imported.cpu_seconds < 0.2  # 0.02


@pytest.mark.skipif(os.name == "nt", reason="Windows does not hand ignored signals on")
def test_the_tests_can_interrupt_children_from_a_background_job() -> None:
    """There SIGINT is ignored, and SIGHUP under nohup."""
    test = "tests/media/test_jobs.py::test_a_real_interrupt_leaves_whole_files_only"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", test]
    deaf = ["sh", "-c", 'trap "" INT HUP; exec "$@"', "sh", *command]
    result = subprocess.run(deaf, cwd=ROOT, check=False, capture_output=True, text=True, timeout=PATIENCE)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_is_portable_and_short(name: str) -> None:
    script = (ROOT / name).read_bytes()
    assert script.startswith(b"#!/bin/sh\n")
    assert b"\r" not in script
    assert len(script.splitlines()) <= 18


@pytest.mark.skipif(os.name == "nt", reason="Windows has no executable bit")
@pytest.mark.parametrize("name", [*SCRIPTS, ".ci/run"])
def test_a_script_is_executable(name: str) -> None:
    assert os.access(ROOT / name, os.X_OK)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_names_actions_by_commit_and_version(path: Path) -> None:
    uses = re.findall(r"uses:(.*)", path.read_text(encoding="utf-8"))
    assert uses
    assert [use for use in uses if not re.fullmatch(r" [\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", use)] == []


def test_the_lock_leaves_torch_to_the_machine() -> None:
    packages = {package["name"] for package in tomllib.loads((ROOT / "uv.lock").read_text("utf-8"))["package"]}
    assert "torchmetrics" in packages
    assert not packages & {"torch", "torchvision"}


def test_an_unknown_environment_is_refused() -> None:
    command = ["sh", "scripts/env", "elsewhere"]
    result = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (2, "usage: scripts/env run|torch [COMMAND...]\n")


def test_the_wheel_holds_both_packages_whole(tmp_path: Path) -> None:
    options = ["--quiet", "--no-deps", "--no-build-isolation", "-Cwheel.cmake=false", "--wheel-dir", str(tmp_path)]
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, str(ROOT)], check=True, stdin=subprocess.DEVNULL)
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.name.endswith("-py3-none-any.whl")
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    plugin = ROOT / "vs_paragon" / "plugin"
    present = {
        path.relative_to(ROOT).as_posix()
        for package in ("paragon_core", "vs_paragon")
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and plugin not in path.parents
    }
    assert packed == present
    assert "paragon_core/py.typed" in packed
    assert any(name.startswith("paragon_core/weights/") and name.endswith(".safetensors") for name in packed)


def marks_torch(nodes: list[ast.expr]) -> bool:
    return any("mark.torch" in ast.unparse(node) for node in nodes)


def needs_torch(node: ast.AST) -> bool:
    """Tell whether this statement, or one inside it, imports torch or skips without it."""
    for inner in ast.walk(node):
        names: list[str | None] = []
        if isinstance(inner, ast.Import):
            names = [alias.name for alias in inner.names]
        elif isinstance(inner, ast.ImportFrom):
            names = [inner.module]
        elif isinstance(inner, ast.Call) and ast.unparse(inner.func).endswith("importorskip"):
            names = [ast.literal_eval(inner.args[0])]
        if any(name == "torch" or (name or "").startswith("torch.") for name in names):
            return True
    return False


def mentioned(function: ast.FunctionDef) -> set[str]:
    """Return the names that a function uses, its fixtures among them."""
    names = {node.id for node in ast.walk(function) if isinstance(node, ast.Name)}
    return names | {argument.arg for argument in function.args.args}


def unmarked(module: ast.Module) -> list[str]:
    """Return what in a test module needs torch, itself or through a helper or fixture, without the marker ``torch``."""
    for statement in module.body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "pytestmark":
            values = statement.value.elts if isinstance(statement.value, ast.List) else [statement.value]
            if marks_torch(values):
                return []
    functions = {node.name: node for node in module.body if isinstance(node, ast.FunctionDef)}
    needing = {name for name, node in functions.items() if needs_torch(node)}
    while more := {name for name, node in functions.items() if mentioned(node) & needing} - needing:
        needing |= more
    found = [name for name in sorted(needing) if name.startswith("test_")]
    found = [name for name in found if not marks_torch(functions[name].decorator_list)]
    others = [node for node in module.body if not isinstance(node, (ast.FunctionDef, ast.If))]
    return [*found, "the module itself"] if any(map(needs_torch, others)) else found


@pytest.mark.parametrize("path", sorted((ROOT / "tests").rglob("test_*.py")), ids=lambda path: path.name)
def test_what_needs_torch_is_marked_so_that_the_torch_run_selects_it(path: Path) -> None:
    without_marker = unmarked(ast.parse(path.read_text(encoding="utf-8")))
    assert without_marker == [], "write pytestmark = pytest.mark.torch below the imports, or mark these tests with it"


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("def test_a(): pass", []),
        ("torch = pytest.importorskip('torch')", ["the module itself"]),
        ("torch = pytest.importorskip('torch')\npytestmark = pytest.mark.torch", []),
        ("torch = pytest.importorskip('torch')\npytestmark = [pytest.mark.slow, pytest.mark.torch]", []),
        ("import torch.nn", ["the module itself"]),
        ("if TYPE_CHECKING:\n    import torch\ndef test_a(): pass", []),
        ("def test_a():\n    import torch", ["test_a"]),
        ("@pytest.mark.torch\ndef test_a():\n    import torch", []),
        ("@pytest.fixture\ndef net():\n    import torch\ndef make(net): pass\ndef test_a(make): pass", ["test_a"]),
    ],
)
def test_a_missing_torch_marker_is_noticed(source: str, found: list[str]) -> None:
    assert unmarked(ast.parse(source)) == found
