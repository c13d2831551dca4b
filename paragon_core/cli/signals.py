"""The signals that end the program: each ends it as Ctrl-C does, with everything cleaned up.

========================  ==========================================================  =========
SIGINT                    Ctrl-C                                                      code 130
SIGTERM                   ``kill``, a service manager, a shutdown                     code 143
SIGHUP                    the terminal was closed                                     code 129
SIGBREAK                  Windows: Ctrl-Break, the console was closed                 code 149
========================  ==========================================================  =========

Imports nothing that takes time: signals are to be handled before the rest of the program is loaded.
"""

from __future__ import annotations

import _thread
import os
import signal
import sys
import time

TYPE_CHECKING = False  # typing takes longer to import than all of this
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType
    from typing import Any, Final, Self

_NAMES: Final = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
#: Seconds for which another Ctrl-C changes nothing, because the program is cleaning up already.
_PATIENCE: Final = 3.0
#: Seconds after which a signal is delivered again that came at a bad moment.
_LATER: Final = 0.02
#: A shell reports a program that a signal ended with this plus the signal's number; so does this one.
_FIRST_CODE: Final = 128


class Signals:
    """Turns the first signal into a KeyboardInterrupt in the main thread; a context manager, and for that thread only.

    While modules load, the interrupt waits: half-loaded ones raise any error. It also waits while a ``with`` block is
    entered or left: a lock that is taken or given up there would stay taken, and whoever needs it would wait for ever.
    Where Python would drop it (in a finalizer, for example), it comes again. Later signals are ignored, so that nothing
    interrupts the cleaning up, except that after some seconds another one ends the process at once. Signals that are
    ignored from the start, as by ``nohup``, stay so.
    """

    def __init__(self) -> None:
        self.received = 0
        """Number of the first signal; 0 as long as there was none."""
        self._since = 0.0
        self._thread = 0
        self._owed = False
        self._finished = False
        self._handlers: dict[int, Any] = {}
        self._hook: Callable[[sys.UnraisableHookArgs], object] = sys.unraisablehook

    def __enter__(self) -> Self:
        """Handle the signals."""
        self.install()
        return self

    def __exit__(self, *_: object) -> None:
        """Hand them back to whoever handled them before."""
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        sys.unraisablehook = self._hook

    @property
    def exit_code(self) -> int:
        """The exit code after the first signal; that of Ctrl-C if there was none."""
        return _FIRST_CODE + (self.received or signal.SIGINT)

    @property
    def name(self) -> str:
        """The name of the first signal; that of Ctrl-C if there was none."""
        return signal.Signals(self.received or signal.SIGINT).name

    def install(self) -> None:
        """Handle the signals; does nothing outside the main thread, where Python delivers none."""
        self._thread = _thread.get_ident()
        for name in _NAMES:
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) not in {signal.SIG_IGN, None}:
                try:
                    self._handlers[number] = signal.signal(number, self._handle)
                except ValueError:  # not the main thread
                    return
        self._hook, sys.unraisablehook = sys.unraisablehook, self._unraisable

    def finish(self, code: int) -> int:
        """Note that all work is done; from now on a signal ends the process without further ado. Return the code."""
        self._finished = True
        return code

    def ignore(self) -> None:
        """Ignore the signals: the interpreter is about to hand them back to the system, and to end."""
        for number in self._handlers:
            signal.signal(number, signal.SIG_IGN)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.received and not self._owed:
            if time.monotonic() - self._since > _PATIENCE:
                os._exit(self.exit_code)
            return
        self.received, self._owed, self._since = self.received or number, False, time.monotonic()
        if self._finished:
            os._exit(self.exit_code)
        if _uses_block(frame) or _loads_module(frame):
            self._deliver_later()
        else:
            raise KeyboardInterrupt

    def _unraisable(self, unraisable: sys.UnraisableHookArgs) -> None:
        if self.received and issubclass(unraisable.exc_type, KeyboardInterrupt):
            self._deliver_later()
        else:
            self._hook(unraisable)

    def _deliver_later(self) -> None:
        self._owed = True
        # Not threading.Thread: the main thread may have been interrupted while it held one of its locks.
        _thread.start_new_thread(_deliver, (self.received, self._thread))


def _deliver(number: int, thread: int) -> None:
    time.sleep(_LATER)
    if sys.platform == "win32":
        _thread.interrupt_main(signal.Signals(number))
    else:
        signal.pthread_kill(thread, number)  # also ends waiting for a lock


def _uses_block(frame: FrameType | None) -> bool:
    # Those of threading.Condition, which every Future and Event has, are written in Python and can be interrupted
    # between taking the lock and the block that gives it up: https://github.com/python/cpython/issues/74174
    return frame is not None and frame.f_code.co_name in {"__enter__", "__exit__"}


def _loads_module(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib._bootstrap"):
            return True
        frame = frame.f_back
    return False
