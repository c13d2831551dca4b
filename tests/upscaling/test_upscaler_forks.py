"""A forked process that was given an upscaler gets an error for it, and never waits for threads that it has not."""

from __future__ import annotations

import sys

import pytest

from tests.fresh_python import run as run_python

#: Each child does one thing with its parent's upscaler and must end by itself.
SCRIPT = """
import gc, multiprocessing, os, sys, time
import numpy as np
from paragon_core import Upscaler
from paragon_core.errors import BackendUnavailableError

image = np.random.default_rng(0).integers(0, 255, (90, 120, 3), dtype=np.uint8)
upscaler = Upscaler("realtime-2x", backend={backend!r}, streams=2, reuse=True)
before = upscaler(image)

def use():
    return upscaler(image)

def use_planes():
    upscaler.upscale_planes([np.zeros((9, 9), np.float32)], [np.zeros((18, 18), np.float32)])

def refused(work):
    try:
        work()
    except BackendUnavailableError as error:
        assert "spawn" in error.hint
        return
    raise AssertionError

def close():
    upscaler.release()
    with upscaler:
        pass
    upscaler.close()

def forget():
    global upscaler
    del upscaler
    gc.collect()

def open_another():
    with Upscaler("realtime-2x", backend={backend!r}) as another:
        assert (another(image) == before).all()

def leave():
    sys.exit(0)

for act in (lambda: refused(use), lambda: refused(use_planes), close, forget, {another}, *{more}):
    child = os.fork()
    if child == 0:
        code = 1
        try:
            act()
            code = 0
        finally:
            if act is not leave:
                os._exit(code)
    ends = time.monotonic() + 60
    status = None
    while status is None and time.monotonic() < ends:
        pid, code = os.waitpid(child, os.WNOHANG)
        status = code if pid else time.sleep(0.02)
    if status is None:
        os.kill(child, 9)
    print(status)
with multiprocessing.get_context("fork").Pool(1) as pool:
    refused(lambda: pool.apply(use))
assert (upscaler(image) == before).all()
upscaler.close()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere, libraries of the system do not survive a fork")
@pytest.mark.parametrize(
    ("backend", "another", "more"),
    # Whoever loads ONNX Runtime, forks, and ends the child other than multiprocessing does, waits for ever.
    [("openvino", "lambda: refused(open_another)", "(leave,)"), ("onnxruntime", "open_another", "()")],
)
def test_a_parents_upscaler(backend: str, another: str, more: str) -> None:
    result = run_python(SCRIPT.format(backend=backend, another=another, more=more))
    statuses = result.stdout.split()
    assert len(statuses) >= 5
    assert set(statuses) == {"0"}, result.stderr
