"""ONNX files: they say what they are, run where they claim to, and appear whole or not at all."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime
import pytest

import paragon_core as paragon
from paragon_core.errors import InputError, MediaError
from paragon_core.graph.export import export_onnx
from tests.fresh_python import PROGRAMS
from tests.fresh_python import run as run_python
from tests.random_models import batch, random_image, random_model, spec

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

MODEL = random_model(spec("realtime"))


def run(path: Path, value: npt.NDArray[Any]) -> npt.NDArray[Any]:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"input": value})[0])


@pytest.mark.parametrize("fused", [False, True])
def test_a_file_computes_what_the_upscaler_does(tmp_path: Path, fused: bool) -> None:
    image = random_image(9, 7, 3)
    with paragon.Upscaler(MODEL, backend="onnxruntime", padding="zero", fused=fused, streams=1) as upscaler:
        expected = upscaler(image)
    path = export_onnx(MODEL, tmp_path / "bytes.onnx", fused=fused, io="uint8")
    assert np.abs(run(path, image[None])[0].astype(int) - expected).max() <= 1
    path = export_onnx(MODEL, str(tmp_path / "floats.onnx"), fused=fused)
    floats = run(path, image.transpose(2, 0, 1)[None] / np.float32(255))[0].transpose(1, 2, 0)
    assert floats.max() > 1  # not clipped, as upstream
    assert np.abs(np.clip(floats, 0, 1) * 255 - expected).max() <= 0.51


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("io", ["float32", "float16", "uint8"])
@pytest.mark.parametrize("size", [None, (7, 9)])
@pytest.mark.parametrize("grey", [False, True])
def test_every_option_makes_a_valid_file(
    tmp_path: Path, *, fused: bool, precision: Any, io: Any, size: Any, grey: bool
) -> None:
    path = export_onnx(MODEL, tmp_path / "model.onnx", fused=fused, precision=precision, io=io, size=size, grey=grey)
    onnx.checker.check_model(path, full_check=True)
    notes = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    assert notes["form"] == ("fused" if fused else "plain")
    assert (notes["precision"], notes["io"]) == (precision, io)
    assert (notes["variant"], notes["scale"], notes["upsampler_alpha"]) == ("realtime", "2", "0.3")
    assert not {node.op_type for node in onnx.load(path).graph.node if node.op_type.startswith("Scatter")}
    channels = 1 if grey else 3
    value = random_image(9, 7, channels)[None] if io == "uint8" else batch(1, 9, 7, channels).astype(io)
    assert run(path, value).shape == ((1, 18, 14, channels) if io == "uint8" else (1, channels, 18, 14))


def test_half_precision_makes_half_the_file(tmp_path: Path) -> None:
    model = paragon.load("realtime-2x")
    sizes = [
        export_onnx(model, tmp_path / f"{precision}.onnx", precision=precision).stat().st_size
        for precision in ("fp32", "fp16")
    ]
    assert 0.45 < sizes[1] / sizes[0] < 0.7


def test_the_path_comes_back_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "model.of my own"
    assert export_onnx(MODEL, path) == path
    assert [entry.name for entry in tmp_path.iterdir()] == ["model.of my own"]
    before = path.read_bytes()
    export_onnx(MODEL, path, fused=False)  # replaces it
    assert path.read_bytes() != before


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="folder") as caught:
        export_onnx(MODEL, tmp_path)
    assert caught.value.hint


def test_what_cannot_be_written_is_an_error_and_leaves_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for nowhere in (tmp_path / "file" / "model.onnx", tmp_path / "no folder" / "model.onnx"):
        with pytest.raises(MediaError) as caught:
            export_onnx(MODEL, nowhere)
        assert caught.value.hint
    path = export_onnx(MODEL, tmp_path / "model.onnx")
    before = path.read_bytes()
    with pytest.raises(InputError, match="empty"):
        export_onnx(MODEL, path, size=(0, 3))
    assert path.read_bytes() == before
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file", "model.onnx"]


@pytest.mark.skipif(os.name == "nt", reason="needs a limit on the size of files")
def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    """A limit on the size of files fails as a full disk does: in the middle of writing."""
    path = export_onnx(MODEL, tmp_path / "model.onnx")
    before = path.read_bytes()
    result = run_python(PROGRAMS / "exports_to_a_full_disk.py", path)
    assert result.stdout == "True\n"
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["model.onnx"]
