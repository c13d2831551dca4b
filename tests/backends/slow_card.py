"""A card made of the processor, as late as it may be: work is done when somebody waits for it, and never before."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy.typing as npt


class SlowBuffer:
    """Memory of the card and next to it, full of rubbish."""

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.array: npt.NDArray[Any] = np.full(shape, 77, dtype)
        self.on_card: npt.NDArray[Any] = np.full(shape, 99, dtype)
        self.address = int(self.on_card.ctypes.data)

    @property
    def device(self) -> Any:
        """The memory of the card, as torch has it."""
        import torch  # noqa: PLC0415 - not every test needs it

        return torch.from_numpy(self.on_card)


class SlowStream:
    """Work in the order in which it came, once it is waited for."""

    def __init__(self, card: SlowCard, name: str) -> None:
        self._card = card
        self.name = name
        self.queue: list[Callable[[], None]] = []
        self.handle = id(self)

    def upload(self, buffer: SlowBuffer) -> None:
        self._add("upload", lambda: np.copyto(buffer.on_card, buffer.array))

    def download(self, buffer: SlowBuffer) -> None:
        self._add("download", lambda: np.copyto(buffer.array, buffer.on_card))

    def wait_for(self, other: SlowStream) -> None:
        count = len(other.queue)
        marker = other.queue[-1] if count else None
        self._add("wait for " + other.name, lambda: other.drain(marker))

    def run(self, work: Callable[[], None]) -> None:
        self._add("run", work)

    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        if self._card.refuses_graphs:
            raise RuntimeError("operation not permitted\nwhen stream is capturing")
        self._card.told.append("record")
        return lambda: self._add("replay", work)

    def timed(self, work: Callable[[], None]) -> Callable[[], float]:
        """Tell a quarter of a second for what was started, and nothing before all of it is done."""
        work()
        with self._card.lock:
            last = self.queue[-1] if self.queue else None

        def took() -> float:
            assert last not in self.queue, "CUDA: not ready"
            return 0.25

        return took

    def wait(self) -> None:
        self._card.told.append(f"{self.name}: wait")
        self.drain(self.queue[-1] if self.queue else None)

    def drain(self, last: Callable[[], None] | None) -> None:
        """Do what came up to a piece of work, if that was not done yet."""
        with self._card.lock:
            while last in self.queue:
                self.queue.pop(0)()

    def _add(self, what: str, work: Callable[[], Any]) -> None:
        self._card.told.append(f"{self.name}: {what}")
        with self._card.lock:
            self.queue.append(work)


class SlowCard:
    """Memory and streams, like `gpu_memory.TorchMemory`."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.buffers: list[tuple[tuple[int, ...], str]] = []
        self.refuses_graphs = False
        self.lock = threading.RLock()
        self.settled = self.trimmed = 0
        self._streams = 0

    def use(self) -> None:
        pass

    @contextlib.contextmanager
    def selected(self) -> Iterator[None]:
        yield

    def settle(self) -> None:
        self.settled += 1

    def trim(self) -> None:
        self.trimmed += 1

    def stream(self) -> SlowStream:
        self._streams += 1
        return SlowStream(self, f"lane {self._streams - 1}" if self._streams > 1 else "compute")

    def buffer(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> SlowBuffer:
        self.buffers.append((shape, dtype.name))
        return SlowBuffer(shape, dtype)
