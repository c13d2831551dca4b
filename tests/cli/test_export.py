from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnxruntime
import pytest

from paragon_core.cli.main import main

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("options", "element", "shape"),
    [
        ([], onnx.TensorProto.FLOAT, None),
        (["--plain"], onnx.TensorProto.FLOAT, None),
        (["--precision", "fp16"], onnx.TensorProto.FLOAT, None),
        (["--io", "uint8", "--size", "24x16"], onnx.TensorProto.UINT8, [1, 16, 24, 3]),
        (["--size", "24x16"], onnx.TensorProto.FLOAT, [1, 3, 16, 24]),
        (["--grey"], onnx.TensorProto.FLOAT, None),
        (["--grey", "--size", "24x16"], onnx.TensorProto.FLOAT, [1, 1, 16, 24]),
    ],
)
def test_graphs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], element: int, shape: list[int] | None
) -> None:
    path = tmp_path / "m.onnx"
    assert main(["export", "realtime-2x", "-o", str(path), *options]) == 0
    output = capsys.readouterr()
    assert output.out == ""
    assert "m.onnx" in output.err
    graph = onnx.load(path)
    onnx.checker.check_model(graph, full_check=True)
    tensor = graph.graph.input[0].type.tensor_type
    assert tensor.elem_type == element
    if shape:
        assert [dimension.dim_value for dimension in tensor.shape.dim] == shape
    channels = 1 if "--grey" in options else 3
    small = np.zeros(shape or (1, channels, 16, 24), np.uint8 if element == onnx.TensorProto.UINT8 else np.float32)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (large,) = session.run(None, {graph.graph.input[0].name: small})
    assert sorted(large.shape) == sorted([1, channels, 32, 48])


def test_an_existing_checkpoint_is_not_overwritten_by_mistake(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(b"precious")
    assert main(["export", "realtime-2x", "-o", str(path)]) == 2
    assert path.read_bytes() == b"precious"


@pytest.mark.parametrize("options", [[], ["--luma"], ["--precision", "fp16"]])
def test_shaders(tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str]) -> None:
    path = tmp_path / "m.glsl"
    assert main(["export", "realtime-2x", "-o", str(path), *options]) == 0
    assert "m.glsl" in capsys.readouterr().err
    text = path.read_text(encoding="utf-8")
    assert ("//!HOOK LUMA\n" in text) == ("--luma" in options)
    assert ("float16_t" in text) == ("fp16" in options)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["stream-2x", "-o", "m.glsl"], "a stream network has no form as a shader"),
        (["realtime-2x", "-o", "m.glsl", "--io", "uint8"], "a shader has no option --io"),
        (["realtime-2x", "-o", "m.glsl", "--grey"], "a shader has no option --grey"),
        (["realtime-2x", "-o", "m.onnx", "--luma"], "an ONNX graph has no option --luma"),
        (["realtime-2x", "-o", "m.hlsl"], "ends in neither .onnx nor .glsl"),
    ],
)
def test_what_does_not_go_together(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["export", *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
