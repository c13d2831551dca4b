"""Nothing happens before it has to: no core at import, no frame while the script is read, no frame twice."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
import vapoursynth as vs

from tests.fresh_python import run
from tests.vs_paragon.clips import natural_yuv
from tests.vs_paragon.vspipe import vspipe

if TYPE_CHECKING:
    from pathlib import Path


def watched(clip: vs.VideoNode) -> tuple[vs.VideoNode, Counter[int]]:
    """Return a clip, and how often each of its frames was made."""
    made: Counter[int] = Counter()

    def count(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        made[n] += 1
        return f

    return clip.std.ModifyFrame(clip, count), made


@pytest.mark.parametrize("backend", ["ov", "ort", "openvino", "onnxruntime"])
@pytest.mark.parametrize(
    "arguments", [{}, {"matrix": "709", "temporal": 0.3}, {"guess_matrix": False}, {"precision": "bf16"}]
)
def test_no_frame_is_requested_while_the_script_is_read(backend: str, arguments: dict[str, Any]) -> None:
    clip, made = watched(natural_yuv().std.SetFieldBased(2))  # which a look at the first frame would refuse
    if arguments.get("precision") == "bf16":
        backend = "auto"
    vs.core.paragon.Upscale(clip, backend=backend, **arguments)
    assert not made


@pytest.mark.parametrize("backend", ["ov", "onnxruntime"])
@pytest.mark.parametrize("temporal", [0, 0.3])
def test_each_frame_is_made_once(backend: str, temporal: float) -> None:
    clip, made = watched(natural_yuv(length=4) * 4)
    for _ in vs.core.paragon.Upscale(clip, backend=backend, temporal=temporal).frames(close=True):
        pass
    assert made == Counter(range(16))


def test_vspipe_asks_for_no_frame_before_it_is_told_to_write(tmp_path: Path) -> None:
    """The first frame has a label of its own and is not written: neither may it be asked for."""
    script = """
import vapoursynth as vs
clip = vs.core.std.BlankClip(format=vs.YUV420P8, width=64, height=48, length=3, color=[100, 118, 140])
def fail(n, f):
    raise ValueError("it was asked for")
first = clip[0].std.ModifyFrame(clip[0], fail)
vs.core.paragon.Upscale(first + clip[1:]).set_output()
"""
    done = vspipe(tmp_path, script, "--start", "1")
    assert done.returncode == 0, done.stderr
    assert len(done.stdout) == 2 * 128 * 96 * 3 // 2


def test_a_dummy_first_frame_decides_nothing() -> None:
    """As mpv gives one: black, of limited range, without labels."""
    clip = natural_yuv(length=3)
    dummy = clip.std.BlankClip(length=1, keep=True).std.SetFrameProps(_Matrix=5, _FieldBased=1)
    result = vs.core.paragon.Upscale(dummy + clip[1:], backend="ov")
    wanted = vs.core.paragon.Upscale(clip, backend="ov")
    assert result.get_frame(1)[0][20, 20] == wanted.get_frame(1)[0][20, 20]
    assert result.get_frame(1).props["_Matrix"] == 1


def test_a_program_may_register_its_policy_after_the_import() -> None:
    result = run(
        """
        import openvino
        import vapoursynth as vs
        import vs_paragon, vs_paragon._dispatch
        assert not vs.has_policy()
        from tests.vs_paragon.environments import Policy
        policy = Policy()
        with policy.environment():
            clip = vs.core.std.BlankClip(width=32, height=32, format=vs.YUV420P8, length=1)
            print(clip.paragon.Upscale(backend="onnxruntime").get_frame(0).width)
        """
    )
    assert result.stdout == "64\n"
