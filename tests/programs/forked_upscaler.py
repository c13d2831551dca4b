"""Fork again and again; each child does one thing with its parent's upscaler and must end by itself.

Arguments: the backend; "another" where children can open an upscaler of their own; "leave" where they can end as
programs do.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from paragon_core import Upscaler
from paragon_core.errors import BackendUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

backend, *can = sys.argv[1:]
image = np.random.default_rng(0).integers(0, 255, (90, 120, 3), dtype=np.uint8)
upscaler = Upscaler("realtime-2x", backend=backend, streams=2, reuse=True)
before = upscaler(image)


def use() -> Any:
    return upscaler(image)


def use_planes() -> None:
    upscaler.upscale_planes([np.zeros((9, 9), np.float32)], [np.zeros((18, 18), np.float32)])


def refused(work: Callable[[], object]) -> None:
    try:
        work()
    except BackendUnavailableError as error:
        assert "spawn" in error.hint
        return
    raise AssertionError


def close() -> None:
    upscaler.release()
    with upscaler:
        pass
    upscaler.close()


def forget() -> None:
    del globals()["upscaler"]
    gc.collect()


def open_another() -> None:
    with Upscaler("realtime-2x", backend=backend) as another:
        assert (another(image) == before).all()


def leave() -> None:
    sys.exit(0)


def ended(child: int) -> int | None:
    """Return the status of a child; None if it does not end by itself."""
    ends = time.monotonic() + 60
    while time.monotonic() < ends:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return status
        time.sleep(0.02)
    os.kill(child, 9)
    return None


acts: list[Callable[[], object]] = [lambda: refused(use), lambda: refused(use_planes), close, forget]
acts.append(open_another if "another" in can else lambda: refused(open_another))
if "leave" in can:
    acts.append(leave)
for act in acts:
    child = os.fork()
    if child == 0:
        code = 1
        try:
            act()
            code = 0
        finally:
            if act is not leave:
                os._exit(code)
    print(ended(child))
with multiprocessing.get_context("fork").Pool(1) as pool:
    refused(lambda: pool.apply(use))
assert (upscaler(image) == before).all()
upscaler.close()
