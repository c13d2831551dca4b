"""ComfyUI's own page in a headless Chromium."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import ConsoleMessage, Page

    from tests.paragon_nodes.comfy_server import ComfyServer, Run

#: Nothing of the page shows but the workflow, and nobody is welcomed.
SETTINGS = {
    "Comfy.Graph.CanvasInfo": False,
    "Comfy.Minimap.Visible": False,
    "Comfy.RightSidePanel.IsOpen": False,
    "Comfy.TutorialCompleted": True,
}

#: Height of a node's title and badge, which are above what counts as the node, in the units of the workflow.
TITLE = 50
#: Around images, in pixels.
MARGIN = 12

#: Where a point of a node is on the page, in pixels; x and y are given in the units of the workflow.
TO_PAGE = """
    const toPage = (x, y) => {
        const canvas = app.canvas.canvas.getBoundingClientRect();
        const [left, top] = app.canvas.ds.convertOffsetToCanvas([x, y]);
        return [canvas.left + left, canvas.top + top];
    };
    const nodeOf = kind => app.graph.nodes.find(node => node.type === kind);
"""


class ComfyPage:
    """The page of a running server."""

    def __init__(self, page: Page, server: ComfyServer) -> None:
        self.page = page
        self.complaints: list[str] = []
        """What the browser's console says about this pack."""
        self._server = server
        page.on("console", self._listen)
        page.on("pageerror", lambda error: self._keep(f"{error}\n{error.stack}"))
        page.goto(server.address)
        page.wait_for_function("() => window.app?.vueAppReady")
        page.get_by_test_id("queue-button").wait_for()

    def open_template(self, name: str) -> None:
        """Choose one of the pack's example workflows, as users do."""
        self.page.locator(".templates-tab-button").click()
        dialog = self.page.get_by_role("dialog")
        dialog.get_by_text("paragon", exact=True).click()
        dialog.get_by_test_id(f"template-workflow-{name}").click()
        dialog.wait_for(state="hidden")
        self.page.wait_for_function("name => app.extensionManager.workflow.activeWorkflow.filename === name", arg=name)

    def load(self, workflow: dict[str, Any]) -> None:
        """Open a workflow, as the page saves it."""
        self.page.evaluate("workflow => app.loadGraphData(workflow)", workflow)

    def add(self, kind: str) -> None:
        """Add a node."""
        self.page.evaluate("kind => { app.graph.add(LiteGraph.createNode(kind)); }", kind)

    def set(self, kind: str, widget: str, value: object) -> None:
        """Change the value of a widget."""
        self.page.evaluate(
            f"""([kind, name, value]) => {{ {TO_PAGE}
                nodeOf(kind).widgets.find(widget => widget.name === name).value = value;
            }}""",
            [kind, widget, value],
        )

    def text_on(self, kind: str) -> str:
        """Return the text that a node shows in an area of its own, as soon as it does."""
        area = f"() => {{ {TO_PAGE} const area = nodeOf('{kind}').widgets.at(-1).element; "
        self.page.wait_for_function(area + "return area.value && area.getBoundingClientRect().height > 50; }")
        text: str = self.page.evaluate(area + "return area.value; }")
        return text

    def posted(self) -> dict[str, Any]:
        """Return what the page would post now."""
        workflow: dict[str, Any] = self.page.evaluate("async () => (await app.graphToPrompt()).output")
        for node in workflow.values():
            del node["_meta"]
        return workflow

    def run(self) -> Run:
        """Click Run and wait."""
        self.page.evaluate("""() => {
            window.finished = new Promise(finish => {
                for (const event of ["execution_success", "execution_error"])
                    app.api.addEventListener(event, ({detail}) => finish(detail.prompt_id), {once: true});
            });
        }""")
        self.page.get_by_test_id("queue-button").click()
        return self._server.wait(self.page.evaluate("window.finished"))

    def shown_size(self, kind: str) -> tuple[int, int]:
        """Return width and height of the image that a node shows, as soon as it does."""
        self.page.wait_for_function(
            "kind => app.graph.nodes.find(node => node.type === kind).imgs?.[0]?.naturalWidth", arg=kind
        )
        width, height = self.page.evaluate(
            f"kind => {{ {TO_PAGE} const [i] = nodeOf(kind).imgs; return [i.naturalWidth, i.naturalHeight]; }}", kind
        )
        return width, height

    def tooltip(self, kind: str, widget: str) -> str:
        """Move the mouse over the value of a widget and return what the page then says."""
        x, y = self.page.evaluate(
            f"""([kind, name]) => {{ {TO_PAGE}
                const node = nodeOf(kind), widget = node.widgets.find(widget => widget.name === name);
                return toPage(node.pos[0] + 0.85 * node.size[0], node.pos[1] + widget.y + 10);
            }}""",
            [kind, widget],
        )
        self.page.mouse.move(x - 20, y)
        self.page.mouse.move(x, y)
        text: str = self.page.locator(".node-tooltip:visible").inner_text()
        return text

    def title(self, kind: str) -> str:
        """Return what a node is called on the page."""
        title: str = self.page.evaluate(f"kind => {{ {TO_PAGE} return nodeOf(kind).title; }}", kind)
        return title

    def help(self, kind: str) -> str:
        """Click a node and then the button for its help, and return what the page shows."""
        x, y = self.page.evaluate(
            f"kind => {{ {TO_PAGE} const [x, y] = nodeOf(kind).pos; return toPage(x + 60, y - 15); }}", kind
        )
        self.page.mouse.click(x, y)
        self.page.get_by_test_id("info-button").click()
        self.page.locator(".node-help-content h1").wait_for()
        text: str = self.page.locator(".node-help-content").inner_text()
        return text

    def image(self) -> bytes:
        """Return a PNG of what the workflow takes up on the page, and of the tooltip if one is shown."""
        corners: list[list[float]] = self.page.evaluate(
            f"""title => {{ {TO_PAGE}
                return app.graph.nodes.flatMap(({{pos: [x, y], size: [width, height]}}) =>
                    [toPage(x, y - title), toPage(x + width, y + height)]);
            }}""",
            TITLE,
        )
        for tooltip in self.page.locator(".node-tooltip:visible").all():
            box = tooltip.bounding_box()
            corners += [[box["x"], box["y"]], [box["x"] + box["width"], box["y"] + box["height"]]]
        (left, right), (top, bottom) = ((min(axis), max(axis)) for axis in zip(*corners, strict=True))
        area = {
            "x": left - MARGIN,
            "y": top - MARGIN,
            "width": right - left + 2 * MARGIN,
            "height": bottom - top + 2 * MARGIN,
        }
        png: bytes = self.page.screenshot(clip=area)
        return png

    def _listen(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self._keep(f"{message.text} ({message.location.get('url', '')})")

    def _keep(self, complaint: str) -> None:
        # The page looks for a help page in English first, then for the one without a language, and finds that.
        if "paragon" in complaint.lower() and "/en.md" not in complaint:
            self.complaints.append(complaint)


@contextmanager
def opened(
    server: ComfyServer, *, browser: str, language: str = "en", size: tuple[int, int] = (1600, 900)
) -> Iterator[ComfyPage]:
    """Open the page of a server in a browser of its own."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - optional

    server.post("/settings", SETTINGS | {"Comfy.Locale": language})
    with sync_playwright() as playwright:
        chrome = playwright.chromium.launch(executable_path=browser)
        page = chrome.new_page(viewport={"width": size[0], "height": size[1]})
        yield ComfyPage(page, server)
        chrome.close()
