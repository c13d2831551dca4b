"""A report in a headless Chromium.

python -m tests.report.browser

makes the image of the documentation, docs/report.webp, from the project's sample photo and bundled models. It needs
Playwright and Chromium, as `test_browser` does.
"""

from __future__ import annotations

import io
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from paragon_core.cli.main import main as paragon
from tests.browsers import chromium
from tests.report.examples import PHOTO

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

SCREENSHOT = Path(__file__).parents[2] / "docs" / "report.webp"
SIZE = (1200, 900)


class ReportPage:
    """An opened report."""

    def __init__(self, page: Page, path: Path) -> None:
        self.page = page
        self.complaints: list[str] = []
        """What the browser's console says."""
        self.requests: list[str] = []
        """Addresses of all that was loaded, without what is in the page itself."""
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", self._note)
        page.goto(path.as_uri())

    def shot(self) -> Image.Image:
        """Return what the stage shows."""
        return Image.open(io.BytesIO(self.page.locator("#stage").screenshot())).convert("RGB")

    def transforms(self) -> list[str]:
        """Return how each image is moved and zoomed."""
        found: list[str] = self.page.evaluate(
            "[...document.querySelectorAll('.view img')].map(image => image.style.transform)"
        )
        return found

    def zoom(self) -> float:
        """Return the zoom that the page states."""
        return float(self.page.locator("#zoom").inner_text().removesuffix("\N{MULTIPLICATION SIGN}"))

    def violations(self, axe: str, *, impacts: tuple[str, ...]) -> list[Any]:
        """Return what axe-core, given as a script, finds wrong on the page."""
        self.page.evaluate(axe)
        found: list[Any] = self.page.evaluate("axe.run().then(results => results.violations)")
        return [(each["id"], [node["html"] for node in each["nodes"]]) for each in found if each["impact"] in impacts]

    def _note(self, request: Any) -> None:
        if not request.url.startswith("data:"):
            self.requests.append(request.url)


@contextmanager
def opened(
    path: Path, *, browser: str, scheme: str = "light", size: tuple[int, int] = SIZE, touch: bool = False
) -> Iterator[ReportPage]:
    """Open a report in a browser of its own."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - optional

    with sync_playwright() as playwright:
        chrome = playwright.chromium.launch(executable_path=browser)
        context = chrome.new_context(
            viewport={"width": size[0], "height": size[1]}, color_scheme=scheme, has_touch=touch
        )
        yield ReportPage(context.new_page(), path)
        chrome.close()


def main() -> None:
    """Make the image of the documentation."""
    browser = chromium()
    if browser is None:
        raise SystemExit("needs Chromium or Chrome on the PATH, or its path in CHROMIUM")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with Image.open(PHOTO) as photo:
            reference = photo.convert("RGB").crop((0, 0, 450, 300))
        reference.save(folder / "reference.png")
        reference.resize((225, 150), Image.Resampling.BICUBIC).save(folder / "photo.png")
        results = [str(folder / f"{model}.png") for model in ("realtime-2x", "stream-2x")]
        for result in results:
            paragon(["upscale", str(folder / "photo.png"), "-o", result, "--model", Path(result).stem, "--quiet"])
        files = [str(folder / "photo.png"), *results, "--reference", str(folder / "reference.png")]
        paragon(["report", *files, "-o", str(folder / "report.html"), "--quiet"])
        with opened(folder / "report.html", browser=browser, size=(960, 1390)) as report:
            report.page.locator(".go").first.click()
            report.page.keyboard.press("+")
            report.page.evaluate("document.activeElement.blur(), scrollTo({top: 0, behavior: 'instant'})")
            shot = Image.open(io.BytesIO(report.page.screenshot())).convert("RGB")
    shot.save(SCREENSHOT, quality=88, method=6)


if __name__ == "__main__":
    main()
