from __future__ import annotations

from pathlib import Path

import pytest

from paragon_core.cli.main import main
from paragon_core.models.model import load
from tests.report.examples import photo_files, video_files


def test_a_page(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photo_files(here)
    options = ["--model", "realtime-2x", "--note", "12 images a second", "--title", "A cat", "--reference"]
    assert main(["report", "source.png", "soft.png", "sharp.png", "-o", "out/cat.html", *options, "reference.png"]) == 0
    page = (here / "out" / "cat.html").read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert "<h1>A cat</h1>" in page
    assert load("realtime-2x").sha256 in page
    assert "<li>12 images a second</li>" in page
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err == f"{Path('out', 'cat.html')} ({len(page.encode()) / 1e6:.2f} MB)\n"


def test_a_page_about_videos(here: Path) -> None:
    video_files(here)
    assert main(["report", "v.mkv", "v_2x.mkv", "-o", "v.html", "--duration", "0.3", "--frames", "2", "--quiet"]) == 0
    assert "128 x 96 pixels, 8 frames, of which 2 were compared" in (here / "v.html").read_text(encoding="utf-8")


def test_notes_are_printed_and_shown(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photo_files(here)
    assert main(["report", "source.png", "source.png", "soft.png", "-o", "a.html"]) == 0
    note = "source.png: it is shown resized to 320 x 240 pixels (bicubic), as others have"
    assert f"paragon: note: {note}\n" in capsys.readouterr().err
    assert f"<li>{note}</li>" in (here / "a.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["source.png", "soft.png", "-o", "a.png"], "a.png does not end in .html"),
        (["source.png", "missing.png", "-o", "a.html"], "missing.png does not exist"),
        (["source.png", "source.png", "-o", "a.html", "--reference", "soft.png"], "cannot be compared"),
        (["source.png", "soft.png", "-o", "a.html", "--model", "none-9x"], "none-9x"),
    ],
)
def test_mistakes_leave_no_file(
    arguments: list[str], words: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo_files(here)
    before = sorted(here.iterdir())
    assert main(["report", *arguments]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert "\n  hint: " in error
    assert sorted(here.iterdir()) == before
