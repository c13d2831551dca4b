"""The scripts of the documentation and the command lines around them, with a video of the name that they use."""

from __future__ import annotations

import inspect
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.patience import PATIENCE
from tests.vs_paragon.test_video import make_video
from tests.vs_paragon.vspipe import PROGRAM, settings, vspipe
from vs_paragon import upscale

ROOT = Path(__file__).parents[2]
PAGES = {name: (ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "docs/vapoursynth.md")}
SCRIPTS = {
    name: script
    for name, page in PAGES.items()
    for script in re.findall(r"^```py\n(.*?)^```", page, flags=re.MULTILINE | re.DOTALL)
}
PIPES = [line for line in PAGES["docs/vapoursynth.md"].splitlines() if line.startswith("vspipe ")]


@pytest.mark.parametrize("name", PAGES)
def test_script(name: str, tmp_path: Path) -> None:
    make_video(tmp_path / "video.mp4")
    done = vspipe(tmp_path, SCRIPTS[name], "-c", "y4m")
    assert done.stdout.startswith(b"YUV4MPEG2 C420"), done.stderr


@pytest.mark.parametrize("line", PIPES, ids=lambda line: shlex.split(line)[6])
def test_pipe(line: str, tmp_path: Path) -> None:
    make_video(tmp_path / "video.mp4")
    (tmp_path / "video.vpy").write_text(SCRIPTS["docs/vapoursynth.md"], encoding="utf-8")
    (_, *arguments), encode = (shlex.split(part) for part in line.split("|"))
    frames = subprocess.run(
        [PROGRAM, *arguments], cwd=tmp_path, env=settings(tmp_path), check=True, capture_output=True, timeout=PATIENCE
    ).stdout
    assert frames.startswith(b"YUV4MPEG2 C420")
    encoder = shutil.which(encode[0])
    if encoder is None:
        pytest.skip(f"the frames are right, but there is no {encode[0]} to encode them")
    subprocess.run(
        [encoder, *encode[1:]], cwd=tmp_path, input=frames, check=True, capture_output=True, timeout=PATIENCE
    )
    assert (tmp_path / next(word for word in encode if word.startswith("video."))).stat().st_size > 500


def test_the_table_names_every_argument() -> None:
    table = re.findall(r"^\| (`.*?) \|", PAGES["docs/vapoursynth.md"].partition("## Arguments")[2], flags=re.MULTILINE)
    named = [name for row in table for name in re.findall(r"`(\w+)`", row)]
    assert sorted(named) == sorted(set(inspect.signature(upscale).parameters) - {"clip"})
