"""Run the command line, interrupted several times while a module is looked for.

Arguments: the module, the number of interrupts, those of the command line.
"""

from __future__ import annotations

import signal
import sys

from tests.signals import restore_signals

module, times = sys.argv[1], int(sys.argv[2])
del sys.argv[1:3]
restore_signals()


class Interrupting:
    def find_spec(self, name: str, path: object = None, target: object = None) -> None:  # noqa: ARG002 - the protocol
        if name == module:
            for _ in range(times):
                signal.raise_signal(signal.SIGINT)


sys.meta_path.insert(0, Interrupting())
from paragon_core.cli.program import program

program()
