"""Planes that are lent again from frame to frame."""

from __future__ import annotations

from contextlib import ExitStack

import numpy as np

from paragon_core.media.video.frame_upscaler import PlanePool


def test_planes_are_lent_to_one_at_a_time_and_again_afterwards() -> None:
    pool = PlanePool()
    with ExitStack() as lent:
        first, second = (lent.enter_context(pool.lend(3, (4, 6))) for _ in range(2))
        planes = [*first, *second]
        assert not any(np.shares_memory(a, b) for i, a in enumerate(planes) for b in planes[:i])
        assert {(plane.shape, plane.dtype.name) for plane in planes} == {((4, 6), "float32")}
        with pool.lend(1, (4, 6)) as grey:
            assert len(grey) == 1
    with pool.lend(3, (4, 6)) as again, pool.lend(3, (6, 4)) as turned:
        assert any(again[0] is plane for plane in planes)
        assert turned[0].shape == (6, 4)
