"""Be interrupted again while the clean-up after a signal goes on longer than is waited for."""

from __future__ import annotations

import signal
import time

from paragon_core.cli import signals
from tests.signals import restore_signals

restore_signals()
signals._PATIENCE = 0  # type: ignore[misc] # noqa: SLF001 - nobody should wait for a test
with signals.Signals():
    try:
        signal.raise_signal(signal.SIGTERM)
    except KeyboardInterrupt:
        time.sleep(0.01)
        signal.raise_signal(signal.SIGINT)
        print("cleaned up")
