"""Shader files say what they are, are the same each time, and exist only for networks that have that form."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

import paragon_core as paragon
from paragon_core.errors import InputError, MediaError
from paragon_core.shaders.export import export_shader, shader_text
from tests.docs.pages import ROOT
from tests.random_models import random_model, spec
from tests.shaders.glsl_compilers import passes_of

if TYPE_CHECKING:
    from pathlib import Path

    from paragon_core.models.model import Model
    from paragon_core.shaders.passes import Precision


def shadeable(**changes: Any) -> Model:
    """Return a random model that has a form as a shader, but for the changes."""
    return random_model(spec("realtime", **({"revision": "v9", "channels": 16, "upsampler_alpha": 0.0} | changes)))


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("luma", [False, True])
@pytest.mark.parametrize("model", ["realtime-2x", "realtime-video-2x", "realtime-3x", "realtime-4x"])
def test_what_players_read(model: str, *, luma: bool, precision: Precision) -> None:
    network = paragon.load(model)
    scale = network.spec.scale
    text = shader_text(network, luma=luma, precision=precision)
    assert text.count("//!") == len(re.findall("^//!", text, flags=re.MULTILINE))
    passes = passes_of(text)
    assert len(passes) == network.spec.block_count + 2
    assert len({each.directives["DESC"][0] for each in passes}) == len(passes)
    written: list[str] = []
    for each in passes:
        found = each.directives
        last = each is passes[-1]
        enlarged = scale if last else 2
        assert found["DESC"][0].startswith(f"[Paragon {model}] ")
        assert found["HOOK"] == ["LUMA" if luma else "MAIN"]
        assert found["BIND"] == ["HOOKED", *written[-1:]]
        assert found.get("SAVE", []) != found["BIND"][1:]
        assert ("SAVE" in found) != last
        assert found["WIDTH"] == [f"HOOKED.w {enlarged} *"]
        assert found["HEIGHT"] == [f"HOOKED.h {enlarged} *"]
        assert found["COMPUTE"] == [f"{16 * enlarged} {16 * enlarged} 16 16"]
        assert found["COMPONENTS"] == ["1" if luma and last else "4"]
        written += found.get("SAVE", [])


@pytest.mark.parametrize(("factor", "runs"), [(0.5, False), (1.0, False), (1.2, False), (1.25, True), (2.0, True)])
def test_it_runs_only_when_enlarging(factor: float, *, runs: bool) -> None:
    (condition,) = {each.directives["WHEN"][0] for each in passes_of(shader_text(shadeable()))}
    sizes = {"OUTPUT.w": 100 * factor, "OUTPUT.h": 50 * factor, "HOOKED.w": 100.0, "HOOKED.h": 50.0}
    stack: list[float] = []
    for word in condition.split():  # reverse Polish notation
        if word in {"*", ">"}:
            second, first = stack.pop(), stack.pop()
            stack.append(first * second if word == "*" else float(first > second))
        else:
            stack.append(sizes[word] if word in sizes else float(word))
    assert stack == [float(runs)]


def test_only_the_precision_asked_for_has_halves() -> None:
    model = shadeable()
    assert "float16" not in shader_text(model)
    for each in passes_of(shader_text(model, precision="fp16")):
        before, _, inside = each.code.partition("#ifdef GL_EXT_shader_explicit_arithmetic_types_float16\n")
        assert "float16_t" not in before
        assert "float16_t" not in inside.partition("#else\n")[2]


def test_the_text_is_the_same_each_time() -> None:
    texts = {shader_text(paragon.load("realtime-2x"), luma=True) for _ in range(2)}
    assert len(texts) == 1
    assert texts.pop().isascii()


def test_the_head_has_origin_and_licence() -> None:
    model = paragon.load("realtime-video-2x")
    head = shader_text(model).partition("//!")[0]
    assert head.startswith("// realtime-video-2x: two-fold upscaling")
    assert all(line.startswith("//") for line in head.rstrip().splitlines())
    assert model.sha256 in head
    assert f"Paragon {paragon.__version__}" in head
    assert "bundled with Paragon, same licence" in head
    licence = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert licence in "".join(line.removeprefix("//").removeprefix(" ") + "\n" for line in head.splitlines())


@pytest.mark.parametrize("name", ["realtime-2x", "evil\n//!HOOK OUTPUT", "//!DESC"])
def test_another_file_is_not_taken_for_ours_and_its_name_for_nothing(name: str) -> None:
    text = shader_text(replace(shadeable(), name=name))
    assert "from a file, under the licence of its author" in text
    assert len(passes_of(text)) == 4
    assert text.count("//!") == len(re.findall("^//!", text, flags=re.MULTILINE))
    assert "//!HOOK OUTPUT" not in text


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (random_model(spec("stream", upsampler_alpha=0.0)), "a stream network"),
        (random_model(spec("photo", upsampler_alpha=0.0)), "a photo network"),
        (random_model(spec("pro", upsampler_alpha=0.0)), "a pro network"),
        (shadeable(revision="v6"), "of revision v6"),
        (shadeable(channels=8), "with 8 instead of 16 channels"),
        (shadeable(scale=8), "for scale 8"),
        (shadeable(upsampler_alpha=0.3), "upsampler_alpha"),
    ],
    ids=lambda value: value.replace(" ", "-") if isinstance(value, str) else "",
)
def test_networks_that_have_no_shader(tmp_path: Path, model: Model, reason: str) -> None:
    with pytest.raises(InputError, match=f"{reason}.* has no form as a shader") as error:
        export_shader(model, tmp_path / "model.glsl")
    assert "realtime-video-2x" in error.value.hint
    assert not list(tmp_path.iterdir())


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    model = shadeable(revision="v11", scale=3)
    path = export_shader(model, str(tmp_path / "model.glsl"))
    assert path.read_text(encoding="utf-8") == shader_text(model)
    with pytest.raises(InputError, match="is a folder"):
        export_shader(model, tmp_path)
    with pytest.raises(MediaError):
        export_shader(model, tmp_path / "nowhere" / "model.glsl")
    assert [file.name for file in tmp_path.iterdir()] == ["model.glsl"]
