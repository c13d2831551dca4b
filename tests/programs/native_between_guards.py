"""Upscale images whose memory begins or ends at a page that may not be touched; print "untouched" at the end.

Any read or write outside ends this process with SIGSEGV; so does a write to the image.
"""

from __future__ import annotations

import ctypes
import itertools
import mmap
from typing import Any

import numpy as np

from paragon_core.backends import BACKENDS, ImageInPlace, InPlaceSession, Piece, SessionOptions
from paragon_core.graph.graph_spec import GraphSpec
from tests.random_models import random_model, spec

_PAGE = mmap.PAGESIZE
_NONE, _READ, _WRITE = 0, 1, 2
_LIBC = ctypes.CDLL(None, use_errno=True)
_kept: list[Any] = []


def protect(address: int, length: int, protection: int) -> None:
    if _LIBC.mprotect(ctypes.c_void_p(address), ctypes.c_size_t(length), protection):
        raise OSError(ctypes.get_errno(), "mprotect")


def guarded(values: Any, *, at_end: bool, read_only: bool) -> Any:
    """Return a copy of an array right before, or right behind, a page that may not be touched."""
    values = np.ascontiguousarray(values)
    inner = -(-values.nbytes // _PAGE) * _PAGE
    memory = mmap.mmap(-1, inner + 2 * _PAGE)
    _kept.append(memory)
    everything = np.frombuffer(memory, np.uint8)
    start = _PAGE + (inner - values.nbytes if at_end else 0)
    result = everything[start : start + values.nbytes].view(values.dtype).reshape(values.shape)
    result[...] = values
    address = everything.ctypes.data
    protect(address, _PAGE, _NONE)
    protect(address + _PAGE + inner, _PAGE, _NONE)
    if read_only:
        protect(address + _PAGE, inner, _READ)
    return result


def upscaled(session: InPlaceSession, shape: tuple[int, int, int], dtype: str, *, pixels: bool, at_end: Any) -> Any:
    """Return the result for an image [h, w, p] or [p, h, w], guarded unless ``at_end`` is None."""
    rng = np.random.default_rng(0)
    values = (rng.random(shape) * (1 if dtype == "float32" else np.iinfo(dtype).max)).astype(dtype)
    height, width, count = shape
    out = np.zeros((2 * height, 2 * width, count), dtype)
    if not pixels:
        values, out = (np.ascontiguousarray(np.moveaxis(array, 2, 0)) for array in (values, out))
    margin = 4
    rows, columns = (
        np.clip(np.arange(-margin, length + margin), 0, length - 1).astype(np.int32) for length in (height, width)
    )
    detail = values[..., ::-1]
    if at_end is not None:
        values, detail, rows, columns = (
            guarded(array, at_end=at_end, read_only=True) for array in (values, detail, rows, columns)
        )
        out = guarded(out, at_end=at_end, read_only=False)
    planes, details, results = (np.moveaxis(array, 2, 0) if pixels else array for array in (values, detail, out))
    image = ImageInPlace(
        planes=tuple(planes),
        out=tuple(results),
        detail=tuple(details),
        columns=columns,
        rows=rows,
        margin=margin,
        clip=True,
    )
    middle = max(width // 2, 1)
    session.upscale(image, Piece(left=0, top=0, right=middle, bottom=height))
    if middle < width:
        session.upscale(image, Piece(left=middle, top=0, right=width, bottom=height))
    return out


for kind in (spec("realtime", blocks=1), spec("stream", blocks=1)):
    for count in (1, 3):
        graph = GraphSpec(grey=count == 1, separate_detail=True)
        session = BACKENDS["native"].open(random_model(kind), graph, SessionOptions())
        assert isinstance(session, InPlaceSession)
        for height, width in ((1, 1), (2, 7), (9, 16), (5, 48), (3, 101)):
            for dtype, pixels in itertools.product(("uint8", "uint16", "float32"), (True, False)):
                shape = height, width, count
                expected = upscaled(session, shape, dtype, pixels=pixels, at_end=None)
                for at_end in (True, False):
                    assert np.array_equal(upscaled(session, shape, dtype, pixels=pixels, at_end=at_end), expected)
print("untouched")
