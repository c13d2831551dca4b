"""Interrupt the main thread again and again, at any moment, while it gives work to other threads and waits for it.

Ends with an error if it comes to a stop because a lock stayed taken that another thread waits for.
"""

from __future__ import annotations

import faulthandler
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from paragon_core.cli.signals import Signals

ROUNDS = int(sys.argv[1])

for number in range(ROUNDS):
    faulthandler.dump_traceback_later(20, exit=True)
    with Signals() as signals:
        signal.signal(signal.SIGALRM, signal.getsignal(signal.SIGINT))
        try:
            with ThreadPoolExecutor(2) as threads:
                threads.submit(int).result()
                signal.setitimer(signal.ITIMER_REAL, 0.0002 + 0.0018 * number / ROUNDS)
                while True:
                    threads.submit(int).result(timeout=1)
        except (KeyboardInterrupt, RuntimeError):  # the latter: of a lock that was given up already
            assert signals.received == signal.SIGALRM
        time.sleep(0.001)  # where an interrupt that comes again would end the program
    faulthandler.cancel_dump_traceback_later()
