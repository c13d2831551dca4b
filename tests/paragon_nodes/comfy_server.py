"""A real ComfyUI with the pack in it, and workflows for it."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PACK = (
    "__init__.py",
    "example_workflows",
    "locales",
    "paragon_core",
    "paragon_nodes",
    "pyproject.toml",
    "requirements.txt",
)
NO_CACHE = shutil.ignore_patterns("__pycache__")

Workflow = dict[str, dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Run:
    """What became of a workflow."""

    ok: bool
    cached: set[str]
    """Nodes that did not run because nothing had changed."""
    message: str
    """What the dialog shows if it failed."""
    interrupted: str
    """The kind of node in which it was interrupted."""
    outputs: dict[str, Any]
    seconds: float


class Refused(Exception):  # noqa: N818 - its name says it
    """The server does not take a workflow at all."""


class ComfyServer:
    """A running server; its folder has ``input``, ``output``, ``models`` and ``custom_nodes``."""

    def __init__(self, folder: Path, checkout: Path) -> None:
        self.folder = folder
        self.log = folder / "server.log"
        for made in ("input", "models/upscale_models", "models/paragon"):
            (folder / made).mkdir(parents=True)
        shutil.copy(checkout / "input" / "example.png", folder / "input")
        copy_pack(folder / "custom_nodes" / "paragon")
        shutil.copy(Path(__file__).with_name("third_party.py"), folder / "custom_nodes")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{port}"
        python = os.environ.get("COMFYUI_PYTHON", sys.executable)
        options = ["--cpu", "--listen", "127.0.0.1", "--port", str(port), "--base-directory", str(folder)]
        options += ["--database-url", "sqlite:///:memory:", "--disable-api-nodes"]
        importing = [python, "-c", "import comfyui_frontend_package"]
        self.has_page = subprocess.run(importing, capture_output=True, check=False).returncode == 0
        """Whether that Python has the package of ComfyUI's page. Without it the server shows an empty one."""
        if not self.has_page:
            options += ["--front-end-root", str(empty_page(folder / "page"))]
        with self.log.open("w") as log:
            self._process = subprocess.Popen(
                [python, str(Path(__file__).with_name("start_comfyui.py")), str(checkout), *options],
                stdout=log,
                stderr=subprocess.STDOUT,
                env=os.environ
                | {"PARAGON_CACHE": str(folder / "cache"), "PARAGON_MODELS": "", "PYTHONDONTWRITEBYTECODE": "1"},
            )
        for _ in self.patience(180):
            try:
                self.get("/system_stats")
            except urllib.error.URLError:
                continue
            return

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(30)

    @property
    def memory(self) -> int:
        """Bytes that it takes now."""
        return int(psutil.Process(self._process.pid).memory_info().rss)

    def get(self, path: str) -> Any:
        return json.loads(self.read(path))

    def read(self, path: str) -> bytes:
        with urllib.request.urlopen(self.address + path, timeout=60) as answer:  # noqa: S310 - our own server
            content: bytes = answer.read()
            return content

    def post(self, path: str, content: object) -> bytes:
        body = json.dumps(content).encode()
        request = urllib.request.Request(  # noqa: S310
            self.address + path, data=body, headers={"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
                read: bytes = answer.read()
                return read
        except urllib.error.HTTPError as error:
            raise Refused(error.read().decode()) from None

    def queue(self, workflow: Workflow) -> str:
        number: str = json.loads(self.post("/prompt", {"prompt": workflow}))["prompt_id"]
        return number

    def wait(self, number: str, seconds: float = 300) -> Run:
        start = time.monotonic()
        for _ in self.patience(seconds):
            entry = self.get(f"/history/{number}").get(number)
            if entry and entry.get("status"):
                break
        messages = dict(entry["status"]["messages"])
        return Run(
            ok=entry["status"]["status_str"] == "success",
            cached=set(messages["execution_cached"]["nodes"]),
            message=messages.get("execution_error", {}).get("exception_message", ""),
            interrupted=messages.get("execution_interrupted", {}).get("node_type", ""),
            outputs=entry["outputs"],
            seconds=time.monotonic() - start,
        )

    def run(self, workflow: Workflow) -> Run:
        return self.wait(self.queue(workflow))

    def saved_files(self, run: Run, node: str = "save") -> list[Path]:
        """Return the files that a node saved."""
        assert run.ok, run.message or self.log.read_text()[-3000:]
        found = run.outputs[node]["images"]
        return [self.folder / image["type"] / image["subfolder"] / image["filename"] for image in found]

    def patience(self, seconds: float) -> Iterator[None]:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            assert self._process.poll() is None, self.log.read_text()[-3000:]
            yield
            time.sleep(0.05)
        raise AssertionError(f"no answer in {seconds} s:\n{self.log.read_text()[-3000:]}")


def empty_page(folder: Path) -> Path:
    """Make a page without content."""
    folder.mkdir()
    (folder / "index.html").write_text("")
    return folder


def copy_pack(folder: Path) -> None:
    """Put there what ``git clone`` puts, as far as ComfyUI sees it."""
    folder.mkdir(parents=True)
    for name in PACK:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=NO_CACHE)
        else:
            shutil.copy(ROOT / name, folder)


def node(kind: str, **inputs: Any) -> dict[str, Any]:
    """Describe a node; a reference to another is a list [name, output]."""
    return {"class_type": kind, "inputs": inputs}


def upscaling(image: str, *, loader: dict[str, Any] | None = None, **inputs: Any) -> Workflow:
    """Return the workflow that upscales a file in ``input`` and saves it."""
    return {
        "load": node("ParagonLoadModel", **({"model_name": "realtime-2x"} | (loader or {}))),
        "image": node("LoadImage", image=image),
        "upscale": node("ParagonUpscale", upscale_model=["load", 0], image=["image", 0], **inputs),
        "save": node("SaveImage", images=["upscale", 0], filename_prefix="test"),
    }
