"""The program ``paragon``: signals are handled before anything else is loaded, and until the process ends."""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # typing takes longer to import than all of this
if TYPE_CHECKING:
    from typing import NoReturn

    from paragon_core.cli.signals import Signals

_INTERRUPTED = 130


def program() -> NoReturn:
    """Run the command that the process was started with, and end the process with its exit code."""
    code = _INTERRUPTED
    try:
        import atexit

        from paragon_core.cli.signals import Signals

        signals = Signals()
        signals.install()
        atexit.register(signals.ignore)  # the first one to be registered is called last
        code = _run(signals)
    except KeyboardInterrupt:  # before that, or at its last moment
        pass
    sys.exit(code)


def _run(signals: Signals) -> int:
    try:
        from paragon_core.cli.main import command

        return signals.finish(command(None, signals))
    except KeyboardInterrupt:
        return signals.exit_code
