"""The inside of a slot: a session that is loaded once, and units of work that run through it."""

from __future__ import annotations

import logging
import os
import threading
import time
import traceback
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Final

from paragon_core import __version__
from paragon_core.cores import CORES
from paragon_core.errors import BackendUnavailableError
from paragon_core.media import jobs
from paragon_core.media.upscalers import Upscalers
from paragon_core.slots.settings import VIDEOS, SlotState

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

    from paragon_core.media.jobs import JobResult
    from paragon_core.media.video.upscale import VideoResult
    from paragon_core.slots.settings import SlotSettings
    from paragon_core.slots.units import Unit
    from paragon_core.upscaling.output_size import OutputSize

_LOG: Final = logging.getLogger("paragon_core")


class Cancelled(BaseException):
    """The work is to end now; no Exception, because nobody on its way may take it for a failure of a file."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of a unit of work."""

    number: int
    """The unit's."""
    result: JobResult | None = None
    """The result; None where it failed in a way that is a bug, or was cancelled."""
    bug: str = ""
    """The traceback of an error that nobody expected."""
    log: tuple[tuple[int, str], ...] = ()
    """Records of the log since the outcome before: level and text."""


class Worker:
    """Does units of work, several at once where the caller has threads for them; the network takes one at a time."""

    def __init__(self, settings: SlotSettings) -> None:
        """Open nothing yet."""
        os.environ[CORES] = str(settings.cores)
        self._settings = settings
        self._closing = ExitStack()
        self._over = threading.Event()
        self._network = _Turns(threading.Lock())
        self._log = _Collector()
        self._upscalers = Upscalers(
            settings.models, settings.size, replace(settings.options, interrupt=self.end_if_cancelled)
        )

    def open(self, expected: SlotState | None) -> SlotState:
        """Load the model into the runtime, so that units find it there.

        Args:
            expected: what other slots are; None for the first one.

        Raises:
            BackendUnavailableError: the runtime or device does not work here, or results would differ from those of
                other slots.

        """
        self._closing.enter_context(self._upscalers)
        self._closing.callback(_LOG.removeHandler, self._log)
        _LOG.addHandler(self._log)
        _LOG.propagate = False
        scale = next(iter(self._settings.models))
        upscaler = self._upscalers.of(scale, for_frames=self._settings.kinds == VIDEOS)
        state = SlotState(
            version=__version__,
            backend=upscaler.backend,
            precisions=tuple(upscaler.precision_of(kind, bits=bits) for kind, bits in self._settings.kinds),
        )
        if expected not in {None, state}:
            msg = f"it would compute with {_described(state)}, and others with {_described(expected)}"
            raise BackendUnavailableError(
                msg, hint="install the same versions everywhere, and give --backend and --precision"
            )
        return state

    def do(self, unit: Unit) -> Outcome:
        """Do a unit of work; called from any thread."""
        result, bug = None, ""
        try:
            self.end_if_cancelled()
            result = self._done(unit)
        except Cancelled:
            pass
        except Exception as error:  # noqa: BLE001 - the driver raises it
            bug = "" if self._over.is_set() else "".join(traceback.format_exception(error))
        return Outcome(number=unit.number, result=result, bug=bug, log=self._log.drained())

    def cancel(self) -> None:
        """End what is under way as soon as possible; files that are half written disappear."""
        self._over.set()

    def close(self) -> None:
        """Release the runtime."""
        self._closing.close()

    def end_if_cancelled(self) -> None:
        """Raise `Cancelled` after `cancel`."""
        if self._over.is_set():
            raise Cancelled

    def _done(self, unit: Unit) -> JobResult:
        settings = self._settings
        self._network.waited = 0.0
        (result,) = jobs.run(
            [unit.job],
            self._upscale,
            scale=next(iter(settings.models)),
            size=settings.size,
            compression=settings.compression,
            video=self._video,
            progress=lambda _done, _total: self.end_if_cancelled(),
            at_once=1,
            overwrite=settings.overwrite,
            max_pixels=settings.max_pixels,
            time_range=settings.time_range,
            keep_damaged=settings.keep_damaged,
            tidy=False,
        )
        return replace(result, seconds=result.seconds - self._network.waited)

    def _upscale(self, array: npt.NDArray[np.generic], size: OutputSize | None = None) -> npt.NDArray[np.generic]:
        with self._network:
            return self._upscalers.for_image((array.shape[1], array.shape[0]), size)(array, size=size)

    def _video(self, source: Path, target: Path) -> VideoResult:
        from paragon_core.media.video.upscale import upscale_video  # noqa: PLC0415 - images do without it

        settings = self._settings
        with self._network:
            return upscale_video(
                source,
                target,
                self._upscalers.for_video(source, settings.encoding, keep_damaged=settings.keep_damaged),
                size=settings.size,
                temporal=settings.temporal,
                encoding=settings.encoding,
                start=settings.time_range.start,
                duration=settings.time_range.duration,
                keep_damaged=settings.keep_damaged,
                progress=lambda _done, _total: self.end_if_cancelled(),
            )


class _Turns(threading.local):
    """A lock that counts the seconds for which each thread has waited for it."""

    waited = 0.0

    def __init__(self, lock: threading.Lock) -> None:
        self._lock = lock

    def __enter__(self) -> None:
        start = time.perf_counter()
        self._lock.acquire()
        self.waited += time.perf_counter() - start

    def __exit__(self, *error: object) -> None:
        self._lock.release()


class _Collector(logging.Handler):
    """Keeps what is logged for the driver, which alone speaks to the user."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._records: SimpleQueue[tuple[int, str]] = SimpleQueue()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record."""
        self._records.put((record.levelno, record.getMessage()))

    def drained(self) -> tuple[tuple[int, str], ...]:
        """Return what came since the last call."""
        found = []
        with suppress(Empty):
            while True:
                found.append(self._records.get_nowait())
        return tuple(found)


def _described(state: SlotState) -> str:
    return f"Paragon {state.version}, {state.backend} {' and '.join(dict.fromkeys(state.precisions))}"
