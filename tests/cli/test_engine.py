from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from paragon_core.cli.main import main
from paragon_core.engines import EngineCache, Profile
from paragon_core.upscaling.border import Border
from tests.engines.engine_files import HD, Builder, key, loading
from tests.fresh_python import run
from tests.models.checkpoint_files import SMALL, as_stored, safetensors_file


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EngineCache:
    """The cache that the command line uses, in a working directory with a small checkpoint, mine.safetensors."""
    monkeypatch.setenv("PARAGON_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.safetensors").write_bytes(safetensors_file(as_stored(SMALL), {"upsampler_alpha": "0"}))
    return EngineCache(tmp_path / "cache")


@pytest.fixture
def rtx() -> None:
    pytest.importorskip("tensorrt_rtx", reason="pip install 'paragon-sr[tensorrt-rtx]'")


def answered(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> Any:
    capsys.readouterr()
    assert main(["engine", *arguments, "--json"]) == code
    return json.loads(capsys.readouterr().out)


def put(cache: EngineCache, profile: Profile = HD, **changes: Any) -> Path:
    """Put something into the cache that is no engine, for those who only look at files."""
    of = key(**changes)
    engine = cache.get_or_build(of, profile, Builder(of, profile), lambda engine: engine)
    engine.close()
    assert engine.path is not None
    return engine.path


@pytest.mark.usefixtures("rtx")
def test_build_then_there_already(cache: EngineCache, capsys: pytest.CaptureFixture[str]) -> None:
    command = [
        "build",
        "mine.safetensors",
        "--size",
        "96x64",
        "--size",
        "64x64",
        "--size",
        "96x64",
        "--padding",
        "zero",
    ]
    built = answered(capsys, *command)
    assert [engine["built"] for engine in built] == [True, True]
    assert [engine["profile"]["optimum"] for engine in built] == [[96, 64], [64, 64]]
    assert [engine["built"] for engine in answered(capsys, *command)] == [False, False]
    folder = Path(built[0]["path"]).parent
    assert folder.name == "any_1.7.1.116_fp16"
    assert folder.parent.name.startswith("mine-")
    assert len(cache.entries()) == 2
    assert main(["engine", *command]) == 0
    assert capsys.readouterr().err.count("there already") == 2


@pytest.mark.usefixtures("rtx")
def test_build_for_other_machines_and_sizes(
    cache: EngineCache, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, size in {"a": (80, 64), "b": (64, 80), "c": (80, 64)}.items():
        Image.new("RGB", size).save(tmp_path / f"{name}.png")
    (tmp_path / "d.png").write_bytes(b"damaged")
    (wide,) = answered(capsys, "build", "mine.safetensors", "--target", "sm_89,sm_86", "--precision", "fp32")
    assert Path(wide["path"]).parts[-2:] == ("sm86+sm89_1.7.1.116_fp32", "64x64-1280x720-1932x1932.engine")
    several = ("--for", ".", "--range", "64x64", "80x64", "96x96", "--padding", "zero")
    built = answered(capsys, "build", "mine.safetensors", *several)
    assert {Path(engine["path"]).stem for engine in built} == {"64x64-80x64-96x96", "80x64", "64x80"}
    (of_floats,) = answered(capsys, "build", "mine.safetensors", "--size", "64x80", "--io", "float32")
    assert of_floats["built"]
    margin = Border.of(SMALL, "auto").margin
    assert Path(of_floats["path"]).stem == f"{64 + 2 * margin}x{80 + 2 * margin}"
    for entry in cache.entries():
        assert cache.verify(entry) == ""


@pytest.mark.usefixtures("rtx")
def test_build_into_a_folder_of_ones_own(
    cache: EngineCache, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (built,) = answered(capsys, "build", "mine.safetensors", "--size", "64x64", "--cache", "elsewhere")
    assert Path(built["path"]).is_relative_to(tmp_path / "elsewhere")
    assert cache.entries() == []
    assert len(answered(capsys, "list", "--cache", "elsewhere")) == 1


@pytest.mark.usefixtures("rtx", "cache")
def test_what_cannot_be_kept_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("not a folder")
    assert main(["engine", "build", "mine.safetensors", "--size", "64x64", "--cache", "file/cache"]) == 2
    error = capsys.readouterr().err
    assert "paragon: warning: engines cannot be kept" in error
    assert "hint: a warning before this one says why" in error


def test_list_and_show(cache: EngineCache, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["engine", "list"]) == 0
    assert "no engines" in capsys.readouterr().err
    first = put(cache)
    second = put(cache, version="1.8.0.1", model="stream\x1b[31m")
    second.with_suffix(".json").write_text("{")
    facts = answered(capsys, "list")
    assert [fact["path"] for fact in facts] == [str(second), str(first)]
    assert [fact["usable"] for fact in facts] == [False, True]
    assert main(["engine", "list"]) == 0
    text = capsys.readouterr().out
    assert "cannot be used" in text
    assert "\x1b" not in text
    assert "2 in " in text
    assert main(["engine", "show", "1280x720"]) == 0
    assert "key target capabilities" in capsys.readouterr().out
    (shown,) = answered(capsys, "show", "realtime")
    assert shown["key"]["version"] == "1.7.1.116"


def test_verify_and_prune(cache: EngineCache, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = put(cache), put(cache, version="1.8.0.1")
    assert main(["engine", "verify"]) == 0
    bad.write_bytes(bad.read_bytes()[:-1])
    faults = {fact["path"]: fact["fault"] for fact in answered(capsys, "verify", code=2)}
    assert faults[str(good)] == ""
    assert "cut off" in faults[str(bad)]
    assert main(["engine", "verify", "1.7.1.116"]) == 0
    assert main(["engine", "verify"]) == 2
    assert "paragon engine prune removes them" in capsys.readouterr().err
    assert answered(capsys, "prune") == {"removed": [str(bad)]}
    assert answered(capsys, "prune") == {"removed": []}
    assert answered(capsys, "prune", "--max-size", "1K") == {"removed": [str(good)]}


@pytest.mark.usefixtures("rtx")
def test_prune_other_versions(cache: EngineCache, capsys: pytest.CaptureFixture[str]) -> None:
    put(cache)
    other = put(cache, version="1.8.0.1")
    full = put(cache, version="11.4.0.106", flavour="tensorrt")
    assert answered(capsys, "prune", "--other-versions") == {"removed": [str(other)]}
    assert full.exists()


def test_prune_all_but_what_is_in_use(cache: EngineCache, capsys: pytest.CaptureFixture[str]) -> None:
    put(cache)
    used = key(version="1.8.0.1")
    engine = cache.get_or_build(used, HD, Builder(used, HD), lambda engine: engine)
    assert main(["engine", "prune", "--all"]) == 0
    assert "1 kept, because in use" in capsys.readouterr().err
    assert [entry.files.engine for entry in cache.entries()] == [engine.path]
    engine.close()
    assert cache.get_or_build(used, HD, Builder(used, HD), loading)


def test_path(cache: EngineCache, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["engine", "path"]) == 0
    assert capsys.readouterr().out.strip() == str(cache.folder)
    assert answered(capsys, "path") == {"path": str(cache.folder), "exists": False}


MISTAKES = {
    "no command": [],
    "an unknown command": ["make"],
    "no model": ["build"],
    "an unknown model": ["build", "nonsense"],
    "half a size": ["build", "mine.safetensors", "--size", "640"],
    "a size of nothing": ["build", "mine.safetensors", "--size", "0x64"],
    "a size beyond all": ["build", "mine.safetensors", "--size", "20000x64"],
    "a range upside down": ["build", "mine.safetensors", "--range", "96x96", "80x80", "64x64"],
    "half a range": ["build", "mine.safetensors", "--range", "96x96"],
    "a missing folder": ["build", "mine.safetensors", "--for", "missing"],
    "a folder without images": ["build", "mine.safetensors", "--for", "empty"],
    "a text instead of a video": ["build", "mine.safetensors", "--for", "text.txt"],
    "a precision that does not exist": ["build", "mine.safetensors", "--precision", "int8"],
    "a GPU in words": ["build", "mine.safetensors", "--size", "64x64", "--target", "RTX 4070"],
    "a GPU that TensorRT-RTX does not know": ["build", "mine.safetensors", "--size", "64x64", "--target", "sm_90"],
    "show nothing": ["show"],
    "show what is not there": ["show", "4096x4096"],
    "verify what is not there": ["verify", "4096x4096"],
    "a size in words": ["prune", "--max-size", "small"],
}


@pytest.mark.usefixtures("rtx")
@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_end_with_code_2_a_reason_and_no_engine(
    cache: EngineCache, tmp_path: Path, mistake: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.txt").write_text("no video")
    assert main(["engine", *MISTAKES[mistake]]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert "error: " in output.err
    assert "hint: " in output.err or "usage: " in output.err
    assert cache.entries() == []


def test_without_tensorrt_the_pip_line_is_told_with_code_3() -> None:
    code = "from paragon_core.cli.main import main; print(main(['engine', 'build', 'realtime-2x']))"
    result = run(code, without=["tensorrt_rtx"])
    assert result.stdout == "3\n"
    assert "pip install tensorrt-rtx-cu13==1.7.1.116" in result.stderr


@pytest.mark.parametrize("command", [[], ["build"], ["list"], ["show"], ["verify"], ["prune"], ["path"]])
def test_help(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["engine", *command, "--help"]) == 0
    text = capsys.readouterr().out
    assert text.isascii()
    assert " ".join(["paragon engine", *command]) in text


def test_looking_at_the_cache_loads_nothing_heavy(cache: EngineCache) -> None:
    put(cache)
    heavy = ("numpy", "onnx", "onnxruntime", "openvino", "PIL", "tensorrt_rtx", "torch")
    code = "import sys; from paragon_core.cli.main import main; main(['engine', 'list']); "
    code += f"print([name for name in {heavy} if name in sys.modules])"
    assert run(code).stdout.splitlines()[-1] == "[]"
