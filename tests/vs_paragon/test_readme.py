"""The README's script and its command lines, with a film as it names it."""

from __future__ import annotations

import inspect
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.patience import PATIENCE
from tests.vs_paragon.test_film import make_film
from tests.vs_paragon.vspipe import PROGRAM, settings
from vs_paragon import upscale

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
(SCRIPT,) = re.findall(r"^```py\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)
PIPES = [line for line in README.splitlines() if line.startswith("vspipe ")]


@pytest.mark.parametrize("line", PIPES, ids=lambda line: shlex.split(line)[6])
def test_pipe(line: str, tmp_path: Path) -> None:
    make_film(tmp_path / "film.mp4")
    (tmp_path / "film.vpy").write_text(SCRIPT, encoding="utf-8")
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
    assert (tmp_path / next(word for word in encode if word.startswith("film."))).stat().st_size > 500


def test_the_table_names_every_argument() -> None:
    table = re.findall(r"^\| (`.*?) \|", README.partition("## In VapourSynth")[2], flags=re.MULTILINE)
    named = [name for row in table for name in re.findall(r"`(\w+)`", row)]
    assert sorted(named) == sorted(set(inspect.signature(upscale).parameters) - {"clip"})
