"""Slots as processes of this machine, one for each device."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Final, Self

from paragon_core.errors import BackendUnavailableError, ParagonError
from paragon_core.slots.slots import Closed, Event, Finished, Opened
from paragon_core.slots.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from multiprocessing.process import BaseProcess

    from paragon_core.slots.settings import SlotSettings, SlotState
    from paragon_core.slots.units import Unit

#: Seconds that a slot gets to end what it does, before it is ended.
_PATIENCE: Final = 10.0
#: Times that a device is opened again after its process was lost.
_REPLACEMENTS: Final = 3


@dataclass(kw_only=True, eq=False)
class _Slot:
    """A process, and the way to it."""

    name: str
    """The device, with a number that tells it from others."""
    device: str
    """The device alone."""
    process: BaseProcess
    connection: Connection
    replacements: int
    """How often it may be replaced."""


class ProcessSlots:
    """Processes of this machine; they are started by spawn, because runtimes do not survive a fork."""

    def __init__(self, settings: SlotSettings, devices: Sequence[str], *, at_once: int) -> None:
        """Start nothing yet.

        Args:
            settings: what every unit has in common; each slot gets its device.
            devices: names of devices; one that is named twice gets two slots.
            at_once: units that a slot holds at most.

        """
        self._settings = settings
        self._devices = {f"{device} (slot {number})": device for number, device in enumerate(devices, 1)}
        self._unasked = list(self._devices)
        self._at_once = at_once
        self._context = multiprocessing.get_context("spawn")
        self._slots: dict[str, _Slot] = {}
        self._state: SlotState | None = None

    def __enter__(self) -> Self:
        """Return the slots themselves."""
        return self

    def __exit__(self, *error: object) -> None:
        """Cancel what is under way and end all processes."""
        for slot in self._slots.values():
            with suppress(OSError):  # it has ended
                slot.connection.close()  # which is how it is told
        deadline = time.monotonic() + _PATIENCE
        for slot in self._slots.values():
            slot.process.join(max(deadline - time.monotonic(), 0))
            if slot.process.is_alive():
                slot.process.kill()
                slot.process.join()
            slot.process.close()
        self._slots.clear()

    @property
    def expected(self) -> int:
        """Number of slots that are open or opening, or could be."""
        return len(self._slots)

    def open(self, expected: SlotState | None) -> None:
        """Have the first process load the model, or all others; all are started at once, because that takes a while."""
        if not self._slots:
            for name in self._devices:
                self._start(name, _REPLACEMENTS)
        self._state = expected
        count = 1 if expected is None else len(self._unasked)
        names, self._unasked = self._unasked[:count], self._unasked[count:]
        for name in names:
            self._ask(name)

    def give(self, slot: str, unit: Unit) -> None:
        """Hand a unit to a slot."""
        self._send(slot, unit)

    def events(self, seconds: float) -> list[Event]:
        """Return what has happened."""
        by_connection = {slot.connection: slot for slot in self._slots.values()}
        found: list[Event] = []
        for ready in wait(list(by_connection), seconds):
            slot = by_connection[ready]  # type: ignore[index]  # connections only
            try:
                message = slot.connection.recv()
            except (EOFError, OSError):
                found.append(self._lost(slot))
                continue
            found.append(self._event(slot, message))
        return found

    def _start(self, name: str, replacements: int) -> None:
        device = self._devices[name]
        settings = replace(self._settings, options=replace(self._settings.options, device=device))
        ours, theirs = self._context.Pipe()
        process = self._context.Process(
            target=_serve, args=(theirs, settings, self._at_once), name=f"paragon {name}", daemon=True
        )
        with _shielded():
            process.start()
        theirs.close()  # ours alone stays, so that the end of the process is the end of the pipe
        self._slots[name] = _Slot(name=name, device=device, process=process, connection=ours, replacements=replacements)

    def _ask(self, name: str) -> None:
        self._send(name, self._state)

    def _send(self, name: str, message: object) -> None:
        with suppress(KeyError, OSError):  # it is lost, which an event tells
            self._slots[name].connection.send(message)

    def _event(self, slot: _Slot, message: object) -> Event:
        if isinstance(message, Exception):
            self._end(slot)
            is_first = slot.replacements == _REPLACEMENTS
            return Closed(slot=slot.name, why=str(message), error=message, is_fatal=is_first)
        if isinstance(message, Opened):
            return replace(message, slot=slot.name)
        assert isinstance(message, Finished)  # noqa: S101 - there are no others
        return replace(message, slot=slot.name)

    def _lost(self, slot: _Slot) -> Closed:
        slot.process.join(_PATIENCE)
        code = slot.process.exitcode
        self._end(slot)
        why = f"its process ended by itself (exit code {code})"
        if slot.replacements and self._state is not None:
            self._start(slot.name, slot.replacements - 1)
            self._ask(slot.name)
            return Closed(slot=slot.name, why=why)
        error = BackendUnavailableError(f"{slot.name}: {why}", hint="there may be too little memory for several slots")
        return Closed(slot=slot.name, why=why, error=error)

    def _end(self, slot: _Slot) -> None:
        del self._slots[slot.name]
        slot.connection.close()
        slot.process.join(_PATIENCE)
        if slot.process.is_alive():
            slot.process.kill()
            slot.process.join()
        slot.process.close()


@contextmanager
def _shielded() -> Iterator[None]:
    """Keep Ctrl-C, which reaches all processes of a terminal, from one that is started here: its driver tells it."""
    if sys.platform == "win32":  # there a process shields itself as soon as it runs
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(connection: Connection, settings: SlotSettings, at_once: int) -> None:
    """Be a slot, until the driver closes the connection or is no more.

    The first message is what `Worker.open` expects, each that follows a unit of work.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    warnings.simplefilter("ignore")  # the driver has loaded the same model, and has warned of it
    worker = Worker(settings)
    lock = threading.Lock()

    def tell(message: object) -> None:
        with lock, suppress(OSError):  # the driver is no more, which the loop below finds out
            connection.send(message)

    try:
        state = worker.open(connection.recv())
    except EOFError:
        return
    except (ParagonError, MemoryError) as error:
        tell(error)
        return
    except Exception:  # noqa: BLE001 - the driver raises it
        tell(RuntimeError(traceback.format_exc()))
        return
    tell(Opened(slot="", state=state))

    def do(unit: Unit) -> None:
        tell(Finished(slot="", outcome=worker.do(unit)))

    with ThreadPoolExecutor(at_once) as threads:
        try:
            while True:
                threads.submit(do, connection.recv())
        except (EOFError, OSError):
            worker.cancel()
            last = threading.Timer(_PATIENCE, os._exit, (1,))
            last.daemon = True
            last.start()
    worker.close()
