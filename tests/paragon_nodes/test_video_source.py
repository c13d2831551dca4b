"""What is read of the kinds of videos that nodes hand on, with ComfyUI's own classes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.paragon_nodes.comfy_server import ROOT

pytestmark = [pytest.mark.comfyui, pytest.mark.slow]

PRELUDE = """
import io, json, sys
from fractions import Fraction
from pathlib import Path
temporary, *folders = sys.argv[1:]
sys.argv[1:] = ["--cpu"]
sys.path[:0] = folders
import start_comfyui
start_comfyui.fill_gaps()
import comfy.options
comfy.options.enable_args_parsing()
import av, folder_paths, numpy as np, torch
folder_paths.set_temp_directory(temporary)
from comfy_api.latest import InputImpl, Types
from paragon_nodes.video_source import opened

def pictures(source, kind):
    with av.open(source if isinstance(source, io.BytesIO) else str(source)) as container:
        return np.stack([frame.to_ndarray(format=kind) for frame in container.decode(video=0)]).astype(int)

images = torch.rand(6, 34, 46, 3, generator=torch.Generator().manual_seed(0))
sound = {"waveform": torch.zeros(1, 2, 48000), "sample_rate": 48000}
components = Types.VideoComponents(images=images, audio=sound, frame_rate=Fraction(30000 / 1001))
made = InputImpl.VideoFromComponents(components)
made.save_to(temporary + "/clip.mp4")
"""


def answer(tmp_path: Path, code: str) -> Any:
    """Run code in ComfyUI's Python, without a server; it prints JSON last."""
    checkout = os.environ.get("COMFYUI_PATH")
    if not checkout:
        pytest.skip("needs COMFYUI_PATH, a checkout of ComfyUI")
    python = os.environ.get("COMFYUI_PYTHON", sys.executable)
    folders = [tmp_path, Path(checkout).resolve(), ROOT, Path(__file__).parent]
    command = [python, "-c", PRELUDE + code, *map(str, folders)]
    printed = subprocess.run(command, cwd=tmp_path, check=True, stdout=subprocess.PIPE, text=True).stdout
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]
    return json.loads(printed.splitlines()[-1])


def test_pictures_are_read_as_they_are(tmp_path: Path) -> None:
    code = """
with opened(made) as source:
    off = np.abs(pictures(source.file, "rgb48le") - 65535 * images.numpy()).max()
    with av.open(str(source.file)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        seconds = float(audio.duration * audio.time_base)
        print(json.dumps([off, str(video.average_rate), video.start_time, seconds]))
"""
    off, rate, start, seconds = answer(tmp_path, code)
    assert off <= 0.51
    assert rate == "30000/1001"
    assert start == 0
    assert seconds == pytest.approx(0.2, abs=0.03)  # cut where the pictures end


def test_files_are_read_in_place_with_their_trim(tmp_path: Path) -> None:
    code = """
clip = temporary + "/clip.mp4"
memory = InputImpl.VideoFromFile(io.BytesIO(Path(clip).read_bytes()))
told = []
for video in (InputImpl.VideoFromFile(clip), InputImpl.VideoFromFile(clip, start_time=-0.1, duration=0.05), memory):
    with opened(video) as source:
        told.append([str(source.file) == clip, round(source.start, 3), source.duration])
        assert len(pictures(source.file, "rgb24")) == 6
print(json.dumps(told))
"""
    assert answer(tmp_path, code) == [[True, 0, None], [True, 0.1, 0.05], [False, 0, None]]


def test_pending_edits_are_carried_out_first(tmp_path: Path) -> None:
    """ComfyUI 0.33 has none; newer versions crop and resize a file's frames when they are asked for."""
    code = """
class Edited(InputImpl.VideoFromFile):
    def has_pending_frame_edits(self):
        return True
clip = temporary + "/clip.mp4"
with opened(Edited(clip, start_time=2.5 / 29.97)) as source:
    print(json.dumps([source.start, np.array_equal(pictures(source.file, "yuv420p"), pictures(clip, "yuv420p")[3:])]))
"""
    assert answer(tmp_path, code) == [0, True]


def test_a_full_disk_is_told_with_a_remedy(tmp_path: Path) -> None:
    pytest.importorskip("resource", reason="needs a system that can limit the size of files")
    code = """
import resource, signal
from paragon_core.errors import MediaError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (10000, 10000))
try:
    with opened(made):
        pass
except MediaError as error:
    print(json.dumps(error.hint))
"""
    assert "no file of that size" in answer(tmp_path, code)
