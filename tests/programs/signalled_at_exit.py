"""Print the version; a signal, whose number is the argument, comes while the interpreter ends."""

from __future__ import annotations

import atexit
import signal
import sys
from typing import Any

from paragon_core.cli import main, program
from tests.signals import restore_signals

number = signal.Signals(int(sys.argv[1]))
restore_signals()
command: Any = main.command


def and_then(*arguments: Any) -> Any:
    atexit.register(lambda: signal.raise_signal(number))
    return command(*arguments)


main.command = and_then  # type: ignore[assignment]
sys.argv[1:] = ["--version"]
program.program()
