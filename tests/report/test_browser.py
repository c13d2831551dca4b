"""A report as its readers use it: in a browser, from a file, with keys and fingers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from paragon_core.cli.main import main
from paragon_core.report.collect import ReportOptions, collect
from paragon_core.report.page import render
from tests.browsers import chromium
from tests.report.browser import ReportPage, opened
from tests.report.examples import photo_files, video_files

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL import Image

pytest.importorskip("playwright", reason="needs playwright")
pytestmark = pytest.mark.slow

#: What the name of a result must not do to the page; Windows has no such names.
HOSTILE_NAME = "sharp.png" if os.name == "nt" else "<img src=x onerror=console.log(1)>.png"


@pytest.fixture(scope="module")
def browser() -> str:
    """Return a browser."""
    path = chromium()
    if path is None:
        pytest.skip("needs Chromium or Chrome on the PATH, or its path in CHROMIUM")
    return path


@pytest.fixture(scope="module")
def axe() -> str:
    """Return axe-core as a script."""
    usual = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
    path = Path(os.environ.get("AXE_CORE", usual))
    if not path.is_file():
        pytest.skip("needs axe-core: npm install --no-save axe-core, or its axe.min.js in AXE_CORE")
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def of_images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a report on images, with a reference."""
    folder = tmp_path_factory.mktemp("images")
    files = photo_files(folder, name=HOSTILE_NAME)
    options = ReportOptions(
        source=files["source"], results=(files["soft"], files["sharp"]), reference=files["reference"]
    )
    return written(folder / "report.html", options)


@pytest.fixture(scope="module")
def of_videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a report on videos, without a reference."""
    folder = tmp_path_factory.mktemp("videos")
    files = video_files(folder)
    return written(folder / "report.html", ReportOptions(source=files["source"], results=(files["result"],)))


@pytest.fixture(scope="module")
def of_speed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a page about speed."""
    path = tmp_path_factory.mktemp("speed") / "speed.html"
    quick = ["--size", "16x12", "--rounds", "1", "--no-memory", "--backends", "onnxruntime"]
    assert main(["bench", *quick, "--report", str(path)]) == 0
    return path


def written(path: Path, options: ReportOptions) -> Path:
    path.write_bytes(render(collect(options)).encode())
    return path


@pytest.fixture
def page(of_images: Path, browser: str) -> Iterator[ReportPage]:
    """Return an opened report, and see to it that it loads nothing and nothing complains."""
    with opened(of_images, browser=browser) as page:
        yield page
        assert page.complaints == []
        assert page.requests == [of_images.as_uri()]


def differs(one: Image.Image, other: Image.Image) -> tuple[bool, bool]:
    """Return whether the left and the right quarter of what is shown changed."""
    change = np.abs(np.asarray(one, int) - np.asarray(other, int)).max(axis=2)
    quarter = change.shape[1] // 4
    below = change[60:]  # the names are on the images
    return bool(below[:, :quarter].max() > 8), bool(below[:, -quarter:].max() > 8)


def test_the_slider_moves_by_keyboard_and_changes_what_is_shown(page: ReportPage) -> None:
    middle = page.shot()
    split = page.page.get_by_label("Left or right")
    split.focus()
    page.page.keyboard.press("Home")
    right_only = page.shot()
    assert split.get_attribute("aria-valuetext") == "0 % Source, Lanczos, 100 % soft.png"
    assert differs(middle, right_only) == (True, False)
    page.page.keyboard.press("End")
    assert differs(right_only, page.shot()) == (True, True)
    page.page.keyboard.press("ArrowLeft")
    assert split.input_value() == "99"


def test_the_line_is_dragged_by_the_mouse(page: ReportPage) -> None:
    box = page.page.locator("#stage").bounding_box()
    assert box
    page.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 50)
    page.page.mouse.down()
    page.page.mouse.move(box["x"] + box["width"] / 4, box["y"] + 60)
    page.page.mouse.up()
    assert page.page.get_by_label("Left or right").input_value() == "25"
    assert page.zoom() == 1


def test_any_two_can_be_chosen(page: ReportPage) -> None:
    before = page.shot()
    page.page.locator("#right").select_option(label=f"Heat map of {HOSTILE_NAME}")
    assert differs(before, page.shot()) == (False, True)
    assert page.page.locator(".view.right figcaption").inner_text() == f"Heat map of {HOSTILE_NAME}"


def test_all_images_zoom_and_move_together(page: ReportPage) -> None:
    page.page.get_by_label("All side by side").check()
    assert page.page.locator(".view:visible").count() == 9
    stage = page.page.locator("#stage")
    stage.focus()
    for key in ("+", "+", "+", "ArrowRight", "ArrowDown"):
        page.page.keyboard.press(key)
    zoomed = page.transforms()
    assert len(zoomed) == 9
    assert len(set(zoomed)) == 1
    assert page.zoom() == 3.4
    view = page.page.locator(".view").nth(3).bounding_box()
    assert view
    page.page.mouse.move(view["x"] + 90, view["y"] + 90)
    page.page.mouse.down()
    page.page.mouse.move(view["x"] + 60, view["y"] + 70)
    page.page.mouse.up()
    dragged = page.transforms()
    assert len(set(dragged)) == 1
    assert dragged != zoomed
    page.page.keyboard.press("0")
    assert set(page.transforms()) == {"translate(0%, 0%) scale(1)"}


def test_zoom_stays_within_the_image(page: ReportPage) -> None:
    stage = page.page.locator("#stage")
    stage.focus()
    for _ in range(12):
        page.page.keyboard.press("+")
    assert page.zoom() == 32
    assert page.page.get_by_role("button", name="Zoom in").is_disabled()
    page.page.keyboard.press("0")
    page.page.keyboard.press("+")
    for _ in range(4):
        page.page.keyboard.press("ArrowLeft")
    assert page.transforms()[0] == "translate(0%, -25%) scale(1.5)"
    page.page.get_by_role("button", name="Whole image").click()
    assert page.zoom() == 1


def test_a_place_is_shown_in_the_viewer(page: ReportPage) -> None:
    before = page.shot()
    page.page.get_by_role("button", name="Show place 1 above").click()
    assert page.zoom() >= 1
    assert page.page.evaluate("document.activeElement.id") == "stage"
    page.page.keyboard.press("+")
    assert differs(before, page.shot()) == (True, True)


def test_two_fingers_zoom(of_images: Path, browser: str) -> None:
    with opened(of_images, browser=browser, touch=True, size=(390, 844)) as page:
        box = page.page.locator("#stage").bounding_box()
        assert box
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        client = page.page.context.new_cdp_session(page.page)
        for kind, apart in (("touchStart", 20), ("touchMove", 30), ("touchMove", 60), ("touchEnd", 0)):
            points = [{"x": x - apart, "y": y, "id": 1}, {"x": x + apart, "y": y, "id": 2}] if apart else []
            client.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        assert page.zoom() == pytest.approx(3, abs=0.2)
        assert len(set(page.transforms())) == 1
        wide = page.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0
        assert page.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("kind", ["of_images", "of_videos", "of_speed"])
def test_axe_finds_no_fault(kind: str, scheme: str, request: pytest.FixtureRequest, browser: str, axe: str) -> None:
    path = request.getfixturevalue(kind)
    with opened(path, browser=browser, scheme=scheme) as page:
        assert page.violations(axe, impacts=("moderate", "serious", "critical")) == []
        assert page.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark(scheme: str, of_videos: Path, browser: str) -> None:
    with opened(of_videos, browser=browser, scheme=scheme) as page:
        colours = page.page.evaluate("(style => [style.backgroundColor, style.color])(getComputedStyle(document.body))")
        back, text = (sum(map(int, each.removeprefix("rgb(").removesuffix(")").split(","))) for each in colours)
        assert (back > text) == (scheme == "light")
