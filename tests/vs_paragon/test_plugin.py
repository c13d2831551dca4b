"""The plugin as scripts see it."""

from __future__ import annotations

import inspect
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import psutil
import pytest
import vapoursynth as vs

import vs_paragon
from paragon_core.errors import InputError
from tests.fresh_python import run
from tests.patience import PATIENCE
from tests.vs_paragon.clips import digest, natural_yuv
from tests.vs_paragon.vspipe import PROGRAM, settings, vspipe
from vs_paragon import _dispatch
from vs_paragon.messages import describe

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

#: What a Python argument may be, for each type of VapourSynth.
PYTHON_TYPES = {
    "vnode": {"vs.VideoNode"},
    "data": {"str"},
    "int": {"int", "bool"},
    "int[]": {"Sequence[int]"},
    "float": {"float"},
}


def signature() -> list[list[str]]:
    return [argument.split(":") for argument in vs.core.paragon.Upscale.signature.rstrip(";").split(";")]


def answered_by(monkeypatch: pytest.MonkeyPatch, function: Callable[..., Any]) -> None:
    monkeypatch.setattr(_dispatch, "upscale", function)


def test_it_is_listed() -> None:
    (plugin,) = [plugin for plugin in vs.core.plugins() if plugin.namespace == "paragon"]
    assert plugin.identifier == "sr.paragon"
    assert [function.name for function in plugin.functions()] == ["ModifyFrames", "PyCall", "Upscale"]
    assert plugin.Upscale.return_signature == "clip:vnode;"
    assert type(vs.core.paragon) is vs.Plugin, "what replaces it must stay away"


def test_its_arguments_are_those_of_the_python_function() -> None:
    parameters = inspect.signature(vs_paragon.upscale).parameters
    assert [name for name, *_ in signature()] == list(parameters)
    for name, kind, *options in signature():
        types = set(parameters[name].annotation.replace("None", "").replace(" ", "").split("|"))
        assert types & PYTHON_TYPES[kind], name
        assert (options == ["opt"]) == (parameters[name].default is not inspect.Parameter.empty)


def test_editors_see_its_signature(tmp_path: Path) -> None:
    stub = tmp_path / "stub.pyi"
    command = [sys.executable, "-m", "vsstubs", "--quiet", "-o", str(stub), "add", "paragon"]
    subprocess.run(command, check=True, capture_output=True)
    (line,) = [line for line in stub.read_text().splitlines() if "def Upscale(self, /, clip: VideoNode," in line]
    assert all(f" {name}: " in line for name, *_ in signature())


def test_names_and_numbers_mean_the_same() -> None:
    clip = natural_yuv(length=1).std.RemoveFrameProps(["_Matrix", "_Range", "_ChromaLocation"])
    forms = [
        vs.core.paragon.Upscale(clip, precision="fp32", **places)
        for places in (
            {"matrix": "170m", "range": "full", "chroma_loc": "top_left"},
            {"matrix": 6, "range": 1, "chroma_loc": 2},
            {"matrix": vs.MATRIX_ST170_M, "range": vs.RANGE_FULL, "chroma_loc": vs.CHROMA_TOP_LEFT},
        )
    ]
    assert len({digest(form, 0) for form in forms}) == 1


def test_positions_names_and_methods_mean_the_same() -> None:
    clip = natural_yuv(length=2)
    forms = [
        vs.core.paragon.Upscale(clip, "realtime-2x", 2, "onnxruntime"),
        vs.core.paragon.Upscale(backend="onnxruntime", scale=2, model="realtime-2x", clip=clip),
        clip.paragon.Upscale("realtime-2x", backend="onnxruntime"),
        vs_paragon.upscale(clip, backend="onnxruntime"),
    ]
    assert len({digest(form, 1) for form in forms}) == 1


@pytest.mark.parametrize(
    ("given", "arrives"),
    [
        ({}, {}),
        ({"model": "a", "scale": 2, "temporal": 1}, {"model": "a", "scale": 2, "temporal": 1.0}),
        ({"tile": 64}, {"tile": [64]}),
        ({"tile": [64, 32]}, {"tile": [64, 32]}),
        ({"matrix": "709", "range": "full"}, {"matrix": "709", "range": "full"}),
        ({"matrix": vs.MATRIX_ST240_M, "range": vs.RANGE_FULL}, {"matrix": "7", "range": "1"}),
        ({"chroma_loc": "left"}, {"chroma_loc": "left"}),
        ({"chroma_loc": vs.CHROMA_TOP_LEFT}, {"chroma_loc": "2"}),
        ({"guess_matrix": True, "reuse": 0}, {"guess_matrix": True, "reuse": False}),
        ({"device": b"cuda:1", "backend": "ort"}, {"device": "cuda:1", "backend": "ort"}),
    ],
)
def test_arguments_arrive_as_they_were_meant(
    given: dict[str, Any], arrives: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[dict[str, Any]] = []

    def upscale(clip: vs.VideoNode, **arguments: Any) -> vs.VideoNode:
        seen.append(arguments)
        return clip

    answered_by(monkeypatch, upscale)
    vs.core.paragon.Upscale(natural_yuv(), **given)
    assert seen == [arrives]
    assert [type(value) for value in seen[0].values()] == [type(value) for value in arrives.values()]


# --- errors -----------------------------------------------------------------------------------------------------------

ERRORS = [
    (InputError("it is odd", hint="make it even."), "paragon.Upscale: it is odd (make it even)"),
    (InputError("it is odd"), "paragon.Upscale: it is odd"),
    (vs.Error("no path between colorspaces"), "paragon.Upscale: no path between colorspaces"),
    (vs.Error("paragon.Upscale: it is odd"), "paragon.Upscale: it is odd"),
    (KeyError("x"), "paragon.Upscale: KeyError: 'x' (Paragon did not foresee this; please report it)"),
]


@pytest.mark.parametrize(("error", "text"), ERRORS)
def test_errors_are_one_sentence_and_a_remedy(error: Exception, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def upscale(clip: vs.VideoNode) -> vs.VideoNode:  # noqa: ARG001
        raise error

    assert describe(error) == text
    answered_by(monkeypatch, upscale)
    with pytest.raises(vs.Error) as caught:
        vs.core.paragon.Upscale(natural_yuv())
    assert str(caught.value) == text


def test_an_interrupt_passes_through(monkeypatch: pytest.MonkeyPatch) -> None:
    def upscale(clip: vs.VideoNode) -> vs.VideoNode:  # noqa: ARG001
        raise KeyboardInterrupt

    answered_by(monkeypatch, upscale)
    with pytest.raises(KeyboardInterrupt):
        vs.core.paragon.Upscale(natural_yuv())


@pytest.mark.parametrize(
    ("package", "text"),
    [
        ("numpy", "No module named 'numpy'"),
        ("vsutil", "vsutil is not installed: pip install 'paragon-sr[vapoursynth]'"),
    ],
)
def test_a_broken_installation_says_so(package: str, text: str) -> None:
    result = run(
        """
        import vapoursynth as vs
        try:
            vs.core.paragon.Upscale(vs.core.std.BlankClip())
        except vs.Error as error:
            print(error)
        """,
        without=[package],
    )
    assert result.stdout == f"paragon.Upscale: {text}\n"


def test_the_inner_functions_refuse_what_makes_no_sense() -> None:
    clip = natural_yuv()
    with pytest.raises(vs.Error, match="of no use to scripts"):
        vs.core.paragon.PyCall(lambda: None)
    for wrong in (clip.std.BlankClip(varsize=True), clip.std.BlankClip(varformat=True)):
        with pytest.raises(vs.Error, match="one format and one size"):
            vs.core.paragon.ModifyFrames(wrong, clip, lambda: None)
    with pytest.raises(vs.Error, match="as many as clips"):
        vs.core.paragon.ModifyFrames(clip, clip, lambda: None, [1, 2])


def test_calls_may_nest_and_come_from_many_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    def upscale(clip: vs.VideoNode, scale: int) -> vs.VideoNode:
        return clip.std.Trim(length=scale) if scale < 10 else vs.core.paragon.Upscale(clip, scale=scale - 10)

    answered_by(monkeypatch, upscale)
    clip = natural_yuv()
    wrong: list[int] = []

    def hammer() -> None:
        for call in range(200):
            length = 1 + call % 5
            if vs.core.paragon.Upscale(clip, scale=length + 10 * (call % 3)).num_frames != length:
                wrong.append(call)

    threads = [threading.Thread(target=hammer) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=PATIENCE)
    assert not wrong
    assert not any(thread.is_alive() for thread in threads)


# --- programs ---------------------------------------------------------------------------------------------------------

SCRIPT = """
import vapoursynth as vs
clip = vs.core.std.BlankClip(format=vs.YUV420P8, width=64, height=48, length={length}).std.SetFrameProps(_Matrix=1)
vs.core.paragon.Upscale(clip).set_output()
"""


def test_vspipe_needs_no_import_line(tmp_path: Path) -> None:
    result = vspipe(tmp_path, SCRIPT.format(length=3), "-c", "y4m")
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith(b"YUV4MPEG2 C420 W128 H96 F24:1 ")
    assert result.stdout.count(b"FRAME\n") == 3


def test_vspipe_shows_errors_of_frames_without_a_traceback(tmp_path: Path) -> None:
    script = """
import vapoursynth as vs
from paragon_core.errors import InputError
from vs_paragon.modify_frames import modify_frames
def fail(n, frames):
    raise InputError("it is odd", hint="make it even")
clip = vs.core.std.BlankClip(format=vs.GRAY8, length=1)  # of several, any may fail first
modify_frames(clip, [clip], fail).set_output()
"""
    result = vspipe(tmp_path, script)
    assert result.returncode == 1
    first, second = result.stderr.decode().splitlines()
    assert first == "Error: Failed to retrieve frame 0 with error: paragon.Upscale: it is odd (make it even)"
    assert second.startswith("Output 0 frames")


def test_killing_vspipe_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "script.vpy").write_text(SCRIPT.format(length=1_000_000), encoding="utf-8")
    variables = settings(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    command = [str(PROGRAM), "-c", "y4m", "script.vpy", "-"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=variables, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout is not None
        assert len(process.stdout.read(1_000_000)) == 1_000_000
        children = psutil.Process(process.pid).children(recursive=True)
        process.kill()
    assert children == []
    # ONNX Runtime keeps this one between runs, killed or not.
    assert [path for path in sorted(tmp_path.rglob("*")) if path.name != ".ses"] == before
