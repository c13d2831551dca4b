"""The page of ``examples/browser``: an image upscaled by onnxruntime-web in a headless Chromium."""

from __future__ import annotations

import base64
import functools
import io
import os
import shutil
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from paragon_core import Upscaler
from paragon_core.graph.export import export_onnx
from paragon_core.models.model import load
from tests.browsers import chromium

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).parents[1] / "examples" / "browser" / "index.html"
#: A folder with node_modules/onnxruntime-web.
RUNTIME = Path(os.environ.get("ONNXRUNTIME_WEB", PAGE.parent)) / "node_modules" / "onnxruntime-web"
PATIENCE = 120_000

pytest.importorskip("playwright", reason="needs playwright")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(chromium() is None, reason="needs Chromium or Chrome"),
    pytest.mark.skipif(
        not RUNTIME.is_dir(), reason="needs onnxruntime-web: npm install --prefix examples/browser onnxruntime-web"
    ),
]


class Quiet(SimpleHTTPRequestHandler):
    """Serves files without a line for each."""

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the page in a folder as its text says, but without a network."""
    shutil.copy(PAGE, tmp_path)
    shutil.copytree(RUNTIME / "dist", tmp_path / "node_modules" / "onnxruntime-web" / "dist")
    return tmp_path


@pytest.fixture
def page(folder: Path) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - optional

    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium())
        opened = browser.new_page()
        opened.set_default_timeout(PATIENCE)
        opened.goto(f"http://127.0.0.1:{server.server_port}/index.html", wait_until="commit")
        yield opened
        browser.close()
    server.shutdown()
    server.server_close()


@pytest.fixture
def with_model(folder: Path) -> None:
    export_onnx(load("realtime-2x"), folder / "model.onnx")


@pytest.mark.usefixtures("with_model")
def test_an_image_gets_the_pixels_of_the_command_line(page: Any, tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (23, 37, 3), dtype=np.uint8)
    Image.fromarray(image).save(tmp_path / "noise.png")
    page.get_by_text("Choose an image.").wait_for()
    page.locator("#file").set_input_files(tmp_path / "noise.png")
    page.get_by_text("74x46 in").wait_for()
    data = page.evaluate("document.getElementById('result').toDataURL().split(',')[1]")
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")).astype(int)
    with Upscaler("realtime-2x", precision="fp32", padding="zero") as upscaler:
        assert np.abs(shown - upscaler(image)).max() <= 1
    (tmp_path / "text.png").write_text("no image")
    page.locator("#file").set_input_files(tmp_path / "text.png")
    page.get_by_text("That did not work").wait_for()


def test_a_missing_network_is_said(page: Any) -> None:
    page.get_by_text("The network could not be loaded").wait_for()
