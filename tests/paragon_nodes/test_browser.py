"""The pack as users see it: in ComfyUI's page, in a browser."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from tests.browsers import chromium
from tests.paragon_nodes import example_workflows
from tests.paragon_nodes.comfy_page import ComfyPage, opened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.paragon_nodes.comfy_server import ComfyServer

pytest.importorskip("playwright", reason="needs playwright")
pytestmark = [pytest.mark.comfyui, pytest.mark.slow]

#: Red, green and blue of most of ComfyUI's example image.
SKY = np.array((94, 148, 255))


@pytest.fixture
def browser(comfy: ComfyServer) -> str:
    """Return a browser for a server that has a page."""
    if not comfy.has_page:
        pytest.skip("needs comfyui-frontend-package in ComfyUI's Python")
    path = chromium()
    if path is None:
        pytest.skip("needs Chromium or Chrome on the PATH, or its path in CHROMIUM")
    return path


@pytest.fixture
def page(comfy: ComfyServer, browser: str) -> Iterator[ComfyPage]:
    """Return the page, and see to it that nothing in it complained of the pack."""
    with opened(comfy, browser=browser) as page:
        yield page
        assert not page.complaints, "\n".join(page.complaints)


@pytest.mark.parametrize("name", example_workflows.NAMES)
def test_a_template_opens_and_posts_what_the_other_tests_post(page: ComfyPage, comfy: ComfyServer, name: str) -> None:
    page.open_template(name)
    assert page.posted() == example_workflows.queued(example_workflows.saved(name), comfy.get("/object_info"))


def test_a_workflow_runs_at_a_click_and_shows_its_result(page: ComfyPage) -> None:
    page.open_template("1. Upscale an image")
    assert page.shown_size("LoadImage") == (768, 768)
    before = sky(page.image())
    assert page.run().ok
    assert page.shown_size("SaveImage") == (1536, 1536)
    assert sky(page.image()) > 2 * before


def test_reports_are_shown_on_their_nodes(page: ComfyPage) -> None:
    page.add("ParagonInfo")
    run = page.run()
    assert run.ok
    ((text,),) = (output["text"] for output in run.outputs.values())
    assert page.text_on("ParagonInfo") == text
    saved = page.page.evaluate("() => app.graph.serialize().nodes.find(node => node.type === 'ParagonInfo')")
    assert not saved.get("widgets_values")


def test_the_page_says_why_a_workflow_is_refused(comfy: ComfyServer, browser: str) -> None:
    with opened(comfy, browser=browser) as page:
        page.open_template("1. Upscale an image")
        page.set("ParagonUpscale", "tile_size", 32)
        page.page.get_by_test_id("queue-button").click()
        page.page.get_by_text("tile_size is 32").first.wait_for()
        page.page.get_by_text("choose 0 (automatic), or 64").first.wait_for()


@pytest.mark.parametrize("named", [True, False])
def test_sizes_of_release_0_1_open_as_they_were(page: ComfyPage, comfy: ComfyServer, named: bool) -> None:
    workflow = example_workflows.saved("2. Upscale to a size")
    expected = example_workflows.queued(workflow, comfy.get("/object_info"))
    (older,) = (node for node in workflow["nodes"] if node["type"] == "ParagonUpscaleTo")
    values = {"mode": "fit", "factor": 3, "edge": 99, "width": 3840, "height": 2160, "megapixels": 5}
    values |= {"multiple_of": 2, "tile_size": 0}
    older["widgets_values"], older["widgets_values_named"] = list(values.values()), values
    if not named:
        del older["widgets_values_named"]
    fixed = [each for each in older["inputs"] if each["name"] in {"upscale_model", "image"}]
    older["inputs"] = fixed + [{"name": name, "type": "INT", "widget": {"name": name}, "link": None} for name in values]
    page.load(workflow)
    assert page.posted() == expected


def sky(png: bytes) -> int:
    """Count the pixels that have it, or nearly."""
    with Image.open(io.BytesIO(png)) as image:
        pixels = np.asarray(image.convert("RGB")).astype(np.int16)
    return int((np.abs(pixels - SKY).max(axis=-1) <= 8).sum())


def test_a_tooltip_explains_the_input_below_the_mouse(page: ComfyPage) -> None:
    page.open_template("1. Upscale an image")
    assert page.tooltip("ParagonUpscale", "tile_size").startswith("Pixels of the source along each side of a tile")


def test_help_is_shown_beside_the_node(page: ComfyPage) -> None:
    page.open_template("2. Upscale to a size")
    shown = page.help("ParagonUpscaleTo")
    assert shown.startswith("Upscale Image To (ParagonSR2)\n")


def test_nodes_tooltips_and_help_speak_the_language_of_the_page(comfy: ComfyServer, browser: str) -> None:
    with opened(comfy, browser=browser, language="fr") as page:
        page.open_template("1. Upscale an image")
        assert page.title("ParagonUpscale") == "Agrandir une image (ParagonSR2)"
        assert page.tooltip("ParagonUpscale", "tile_size").startswith("Pixels de la source par côté de tuile, 64")
        assert page.help("ParagonUpscale").startswith("Agrandir une image (ParagonSR2)\n")
        assert not page.complaints, "\n".join(page.complaints)
