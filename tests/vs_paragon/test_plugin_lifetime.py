"""Nothing outlives the script: memory, functions, environments; and life goes on without the plugin."""

from __future__ import annotations

import pytest
import vapoursynth as vs

from tests.fresh_python import run

START = """
import gc, sys, time, weakref
import openvino  # before vs-mlrt's
import vapoursynth as vs
from tests.patience import PATIENCE
from tests.vs_paragon.environments import Policy
policy = Policy({plugin!r})
functions = []

def made(length=10):
    from vs_paragon.modify_frames import modify_frames
    clip = vs.core.std.BlankClip(width=64, height=48, length=length, format=vs.GRAY8)
    def copy(n, frames):
        time.sleep({sleep})
        return frames[0].copy()
    functions.append(weakref.ref(copy))
    return modify_frames(clip, [clip, clip], copy, offsets=[0, 1])

def alive():
    gc.collect()
    return sum(function() is not None for function in functions)
"""


def start(*, sleep: float = 0.0, with_plugin: bool = True) -> str:
    return START.format(plugin=vs.core.paragon.plugin_path if with_plugin else "", sleep=sleep)


@pytest.mark.slow
def test_opening_and_closing_scripts_leaks_nothing() -> None:
    result = run(
        start()
        + """
def nothing():
    vs.core.std.BlankClip().set_output()

def built():
    made().set_output()

def rendered():
    clip = made()
    clip.set_output()
    for _ in clip.frames():
        pass

def upscaled():
    clip = vs.core.std.BlankClip(width=32, height=32, format=vs.RGBS, length=2)
    clip = vs.core.paragon.Upscale(clip, backend="onnxruntime")
    clip.set_output()
    clip.get_frame(1)

def growth(script):
    # What leaks does so always; what the allocator sets aside once does not come twice.
    return min(policy.growth(script, cycles=100, warm_up=warm_up) for warm_up in (100, 0, 0))

empty = growth(nothing)
for script in (built, rendered, upscaled):
    print(script.__name__, growth(script) - empty)
print("alive", alive())
""",
    )
    print(result.stdout)  # noqa: T201 - for pytest -rP
    measured = {name: float(figure) for name, figure in (line.split() for line in result.stdout.splitlines())}
    assert measured.pop("alive") == 0
    assert len(measured) == 3
    assert max(measured.values()) < 5, f"KiB for each script: {measured}"


@pytest.mark.parametrize("threads", [1, 8])
def test_a_script_may_end_while_frames_are_under_way(threads: int) -> None:
    result = run(
        start(sleep=0.01)
        + f"""
for kept in (True, False):
    for _ in range(5):
        with policy.environment():
            vs.core.num_threads = {threads}
            clip = made(length=40)
            clip.set_output()
            frames = [clip.get_frame_async(n) for n in range(30)]
            frames[0].result(timeout=PATIENCE)
            del clip
            if not kept:
                del frames
        if kept:
            assert [frame.result(timeout=PATIENCE).width for frame in frames] == 30 * [64]
            del frames
deadline = time.monotonic() + PATIENCE
while alive() and time.monotonic() < deadline:
    time.sleep(0.05)
print(alive())
"""
    )
    assert result.stdout == "0\n"


FALLBACK = """
with policy.environment():
    assert not hasattr(vs.core, "paragon")
    import vs_paragon
    clip = vs.core.std.BlankClip(width=32, height=32, format=vs.YUV420P8, length=2)
    arguments = dict(backend="onnxruntime", matrix=vs.MATRIX_BT709, tile=64, guess_matrix=0)
    large = [
        vs.core.paragon.Upscale(clip, **arguments),
        vs.core.paragon.Upscale(clip, "realtime-2x", 2, "onnxruntime", matrix="1"),
        clip.paragon.Upscale(**arguments),
    ]
    for each in large:
        frame = each.get_frame(1)
        assert (frame.format.id, frame.width, frame.height) == (vs.YUV420P8, 64, 64), frame
    for wrong in (dict(matrix="709", model="nowhere.pth"), dict(colour="red"), dict(backend="magic", matrix="709")):
        try:
            clip.paragon.Upscale(**wrong)
        except vs.Error as error:
            print(error)
    vs.core.std.LoadPlugin({plugin!r})
    print(type(vs.core.paragon).__name__, vs.core.paragon.Upscale(clip, **arguments).width)
    print(type(clip.paragon).__name__, clip.paragon.Upscale(**arguments).width)
"""


def test_without_the_plugin_an_import_line_does() -> None:
    result = run(start(with_plugin=False) + FALLBACK.format(plugin=vs.core.paragon.plugin_path))
    *errors, core, clip = result.stdout.splitlines()
    assert len(errors) == 3
    assert all(error.startswith("paragon.Upscale: ") for error in errors)
    assert (core, clip) == ("Plugin 64", "Plugin 64")
