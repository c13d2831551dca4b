"""The runtimes that compute on graphics cards, and how tests open them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import pytest

from paragon_core import Upscaler
from paragon_core.backends import BACKENDS, SessionOptions
from paragon_core.errors import BackendUnavailableError
from paragon_core.graph.graph_spec import GraphSpec
from tests.fresh_python import run
from tests.random_models import random_model, spec

if TYPE_CHECKING:
    from pathlib import Path

    from paragon_core.backends import Precision, Session

MODELS: Final = {variant: random_model(spec(variant)) for variant in ("realtime", "stream", "photo", "pro")}

#: In a process of its own, since what WebGPU loads stays loaded. Prints why it does not compute, or nothing.
_TRIAL_OF_WEBGPU: Final = """
from paragon_core.backends import BACKENDS, SessionOptions
from paragon_core.errors import BackendError
from paragon_core.graph.graph_spec import GraphSpec
from tests.random_models import MODEL, batch
try:
    BACKENDS["onnxruntime"].open(MODEL, GraphSpec(), SessionOptions(device="webgpu")).run(batch(1, 8, 8))
except BackendError as error:
    print(f"{error} ({error.hint})")
"""


@dataclass(frozen=True, kw_only=True)
class Card:
    """A runtime on a graphics card."""

    backend: str
    """Its name in `BACKENDS`."""
    device: str = "cuda"
    """Its name of the card."""
    knows_memory: bool = True
    """Whether it finds out how much memory is free, and then takes images as a whole."""
    has_own_clock: bool = True
    """Whether it tells the time of the card alone."""
    cache: Path | None = None
    """Folder of its engines."""

    def upscaler(self, model: Any, **options: Any) -> Upscaler:
        """Return an upscaler on the card."""
        return Upscaler(model, backend=self.backend, device=self.device, cache=self.cache, **options)

    def open(self, model: Any, form: GraphSpec, **options: Any) -> Session:
        """Return a session on the card."""
        return BACKENDS[self.backend].open(model, form, self.options(**options))

    def options(self, **options: Any) -> SessionOptions:
        """Return options of a session on the card."""
        return SessionOptions(device=self.device, cache=self.cache, **options)

    def needs(self, precision: Precision) -> None:
        """Skip the test where the card does not compute in a precision."""
        try:
            self.open(MODELS["realtime"], GraphSpec(), precision=precision).close()
        except BackendUnavailableError as error:
            pytest.skip(str(error))

    @property
    def obstacle(self) -> str:
        """Why it does not compute here, and what helps; empty if it does."""
        if self.device == "webgpu":
            return _obstacle_of_webgpu()
        info = BACKENDS[self.backend].probe()
        return "" if info.available and info.accelerator == "cuda" else f"{info.reason} ({info.hint})"


CARDS: Final = {
    "torch": Card(backend="torch"),
    "onnxruntime": Card(backend="onnxruntime"),
    "tensorrt": Card(backend="tensorrt"),
    "webgpu": Card(backend="onnxruntime", device="webgpu", knows_memory=False, has_own_clock=False),
}


def card_of(name: str, cache_folder: Path) -> Card:
    """Return a runtime; skip the test where it does not compute on a card."""
    card = CARDS[name]
    if card.obstacle:
        pytest.skip(card.obstacle)
    return replace(card, cache=cache_folder)


@cache
def _obstacle_of_webgpu() -> str:
    return run(_TRIAL_OF_WEBGPU).stdout.strip()
