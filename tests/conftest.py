"""What all tests share."""

from __future__ import annotations

import inspect
import os
import re
import signal
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import HealthCheck, settings

from paragon_core.backends import BACKENDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

    from paragon_core.backends import Backend
    from paragon_core.models.model import Model
    from paragon_core.upscaling.upscaler import Upscaler
    from tests.backends.watched_backend import Watched

ROOT = Path(__file__).parents[1]

# A busy machine is no failure: what is slow is told by pytest's --durations, not by a deadline for each example.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


#: What asks for torch at the top of a module, and in a test.
_TORCH_FOR_ALL: Final = re.compile(
    r'^(?:torch = )?pytest\.importorskip\("torch"|^(?:import|from) torch\b', re.MULTILINE
)
_TORCH_FOR_ONE: Final = re.compile(r'^ +(?:torch = )?pytest\.importorskip\("torch"', re.MULTILINE)


@cache
def _module_needs_torch(module: ModuleType) -> bool:
    return _TORCH_FOR_ALL.search(inspect.getsource(module)) is not None


@pytest.hookimpl(tryfirst=True)  # before -m chooses by marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs torch, and skip what needs OpenVINO or the native kernel where there is none.

    A test needs torch if it asks for it (importorskip), or its module does; it needs OpenVINO or the native kernel if
    it is marked so, or has its name as an argument.
    """
    for item in items:
        if isinstance(item, pytest.Function) and (
            _module_needs_torch(item.module) or _TORCH_FOR_ONE.search(inspect.getsource(item.function))
        ):
            item.add_marker(pytest.mark.torch)
    missing = {} if find_spec("openvino") else {"openvino": "OpenVINO"}
    if not BACKENDS["native"].probe().available:
        missing["native"] = "the native kernel"
    for item in items:
        arguments = set(map(str, getattr(getattr(item, "callspec", None), "params", {}).values()))
        for name, title in missing.items():
            if item.get_closest_marker(name) or name in arguments:
                item.add_marker(pytest.mark.skip(reason=f"needs {title}"))


@pytest.fixture(scope="session", autouse=True)
def _children_heed_signals() -> Iterator[None]:
    """Let children start with the default action of signals that this process ignores.

    A shell without job control starts background jobs with SIGINT ignored, and nohup ignores SIGHUP. Children inherit
    what is ignored, and a test that interrupts one would wait for nothing. They do not inherit handlers, so here such
    signals get a handler that does nothing, which is the same to pytest.
    """
    names = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows has no SIGHUP
    kinds = [getattr(signal, name) for name in names if hasattr(signal, name)]
    ignored = [kind for kind in kinds if signal.getsignal(kind) is signal.SIG_IGN]
    for kind in ignored:
        signal.signal(kind, lambda *_: None)
    yield
    for kind in ignored:
        signal.signal(kind, signal.SIG_IGN)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Return a new folder that other users may enter; they may not enter pytest's own, which it closes again."""
    with TemporaryDirectory() as name:
        folder = Path(name).resolve()
        folder.chmod(0o755)
        yield folder


@pytest.fixture
def press_ctrl_c() -> Iterator[Callable[..., None]]:
    """Return a function that interrupts this process, also where it ignores SIGINT; it takes any arguments."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield lambda *_: signal.raise_signal(signal.SIGINT)
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of the reference vectors, official checkpoints and evaluation images, which are not in the repository."""
    folder = Path(os.environ.get("PARAGON_SHARED", ROOT.parent / "shared"))
    if not (folder / "vectors" / "manifest.json").exists():
        pytest.skip("needs the shared reference files")
    return folder


@pytest.fixture(scope="session", autouse=True)
def _cache_of_the_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep engines and what was measured in a folder of the tests."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PARAGON_CACHE", str(tmp_path_factory.mktemp("cache") / "paragon"))
        yield


@pytest.fixture
def offer() -> Iterator[Callable[..., None]]:
    """Return a function after which these backends are all there are, in this order, until the test ends."""
    before = dict(BACKENDS)

    def make(*offered: Backend) -> None:
        BACKENDS.clear()
        BACKENDS.update({backend.name: backend for backend in offered})

    yield make
    make(*before.values())


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., tuple[Watched, Upscaler]]]:
    """Return a function that makes a watched backend and an upscaler on it."""
    from paragon_core.upscaling.upscaler import Upscaler  # noqa: PLC0415 - not every test needs it
    from tests.backends.watched_backend import Watched  # noqa: PLC0415
    from tests.random_models import MODEL  # noqa: PLC0415

    upscalers: list[Upscaler] = []

    def make(
        backend: Watched | None = None,
        *,
        model: Model = MODEL,
        **options: Any,
    ) -> tuple[Watched, Upscaler]:
        watched = backend or Watched()
        monkeypatch.setitem(BACKENDS, "watched", watched)
        upscalers.append(Upscaler(model, backend="watched", **({"streams": 1} | options)))
        return watched, upscalers[-1]

    yield make
    for upscaler in upscalers:
        upscaler.close()
