from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paragon_core.report.collect import ReportOptions, collect
from paragon_core.report.contents import Contents, FileFacts, Version
from paragon_core.report.page import render
from paragon_core.report.places import Place
from tests.report.examples import HOSTILE, photo_files, video_files
from tests.report.outline import Outline

if TYPE_CHECKING:
    from pathlib import Path


def plain(text: str = "x") -> Contents:
    versions = tuple(Version(name=text, pixels=np.full((4, 6, 3), level, np.uint8)) for level in (0, 9, 200))
    return Contents(
        title=text,
        versions=versions,
        places=(),
        places_by=text,
        files=(FileFacts(role="Source", facts={text: text}, text={text: text}),),
        has_reference=False,
        models=({"model": text},),
        notes=(text,),
        remarks=(text,),
        machine={text: text, "gpus": [text]},
    )


@settings(max_examples=30)
@given(text=st.text(max_size=30))
def test_no_text_becomes_part_of_the_page(text: str) -> None:
    """Whatever files are called and say, the elements are the same."""
    outline, expected = Outline(render(plain(text + HOSTILE))), Outline(render(plain()))
    assert outline.shape == expected.shape
    assert HOSTILE in outline.text


def test_nothing_of_hostile_files_becomes_part_of_the_page(tmp_path: Path) -> None:
    files = video_files(tmp_path)
    page = render(collect(ReportOptions(source=files["source"], results=(files["result"],), title=HOSTILE)))
    outline = Outline(page)
    assert not any("onerror" in attributes for _, attributes in outline.tags)
    assert HOSTILE in outline.text


def test_only_its_own_script_runs_and_nothing_is_loaded() -> None:
    page = render(plain())
    outline = Outline(page)
    policy = next(each["content"] for tag, each in outline.tags if each.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'; img-src data:; ")
    for kind in ("script", "style"):
        (content,) = re.findall(rf"<{kind}>(.*?)</{kind}>", page, flags=re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    for tag, attributes in outline.tags:
        assert "style" not in attributes
        assert not any(name.startswith("on") for name in attributes)
        for name in ("src", "href"):
            assert (attributes.get(name) or "data:").startswith("data:"), tag
    assert "http" not in page.replace("http-equiv", "")


def test_figures_and_heat_maps_come_with_a_reference(tmp_path: Path) -> None:
    files = photo_files(tmp_path)
    options = ReportOptions(source=files["source"], results=(files["soft"], files["sharp"]))
    without = Outline(render(collect(options)))
    outline = Outline(render(collect(replace(options, reference=files["reference"]))))
    assert "Heat map" not in without.text
    assert "PSNR-Y" not in without.text
    assert "Heat map of sharp.png" in outline.text
    assert re.search(r"sharp\.png\d\d\.\d\d dB0\.9\d{3}", outline.text)
    rows = [attributes.get("class") for tag, attributes in outline.tags if tag == "tr"]
    assert rows.count("best") == 1


def test_frames_are_plotted_and_shown_in_small(tmp_path: Path) -> None:
    files = video_files(tmp_path)
    page = render(collect(ReportOptions(source=files["source"], results=(files["result"],))))
    outline = Outline(page)
    assert "PSNR-Y of every frame, compared with the source by Lanczos" in outline.text
    assert len([each for tag, each in outline.tags if tag == "circle"]) == 6
    assert re.search(r"Frame \d+, at 0\.\d{3} s: the one that differs most", outline.text)


def test_every_image_has_words_and_every_id_is_there_once() -> None:
    outline = Outline(render(plain()))
    assert all(attributes.get("alt") for tag, attributes in outline.tags if tag == "img")
    ids = [attributes["id"] for _, attributes in outline.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    named = {attributes["aria-labelledby"] for _, attributes in outline.tags if "aria-labelledby" in attributes}
    assert {name for each in named if each for name in each.split()} <= set(ids)


@pytest.mark.slow
def test_a_pair_of_4k_takes_less_than_3_mb() -> None:
    """Noise on a photograph's tones compresses worse than any photograph."""
    random = np.random.default_rng(0)
    smooth = np.linspace(40, 200, 3840)[None, :, None] + np.linspace(-30, 30, 2160)[:, None, None]
    noisy = (smooth + random.normal(0, 25, (2160, 3840, 3)) for _ in range(4))
    versions = tuple(Version(name="x", pixels=each.clip(0, 255).astype(np.uint8)) for each in noisy)
    places = tuple(Place(left=200 * number, top=100, width=160, height=160) for number in range(6))
    assert len(render(replace(plain(), versions=versions, places=places))) < 3_000_000
