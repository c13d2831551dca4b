"""The program ``paragon``: signals are handled before anything else is loaded, and until the process ends."""

from __future__ import annotations

import atexit
import sys

from paragon_core.cli.signals import Signals

TYPE_CHECKING = False  # typing takes longer to import than all of this
if TYPE_CHECKING:
    from typing import NoReturn


def program() -> NoReturn:
    """Run the command that the process was started with, and end the process with its exit code."""
    signals = Signals()
    try:
        signals.install()
        atexit.register(signals.ignore)  # the first one to be registered is called last
        from paragon_core.cli.main import command

        code = signals.finish(command(None, signals))
    except KeyboardInterrupt:
        code = signals.exit_code
    sys.exit(code)
