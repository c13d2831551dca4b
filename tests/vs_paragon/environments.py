"""Environments of VapourSynth that come and go in one process, as in an editor that reloads its script.

The policy can be registered once a process, and before anything else uses VapourSynth: for tests in a process of their
own.
"""

from __future__ import annotations

import gc
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psutil
import vapoursynth as vs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Policy(vs.EnvironmentPolicy):  # type: ignore[misc] # to mypy, VapourSynth has no types
    """Gives each thread an environment of its own."""

    def __init__(self, plugin: str = "") -> None:
        """``plugin`` is a file that each environment loads; no environment loads anything else."""
        self._plugin = plugin
        self._thread = threading.local()
        vs.register_policy(self)

    def on_policy_registered(self, special_api: vs.EnvironmentPolicyAPI) -> None:
        self._api = special_api

    def on_policy_cleared(self) -> None:
        del self._api

    def get_current_environment(self) -> vs.EnvironmentData | None:
        return getattr(self._thread, "environment", None)

    def set_environment(self, environment: vs.EnvironmentData | None) -> vs.EnvironmentData | None:
        before = self.get_current_environment()
        self._thread.environment = environment
        return before

    @contextmanager
    def environment(self) -> Iterator[None]:
        """Give the block a fresh core, and destroy that afterwards, whatever is still under way."""
        data = self._api.create_environment(vs.DISABLE_AUTO_LOADING)
        self.set_environment(data)
        try:
            if self._plugin:
                vs.core.std.LoadPlugin(self._plugin)
            yield
        finally:
            self.set_environment(None)
            self._api.destroy_environment(data)

    def growth(self, script: Callable[[], None], *, cycles: int, warm_up: int) -> float:
        """Return by how many KiB this process grows each time an environment is made, runs the script and ends."""
        process = psutil.Process()
        for cycle in range(warm_up + cycles):
            if cycle == warm_up:
                before = process.memory_info().rss
            with self.environment():
                script()
            gc.collect()
        return (process.memory_info().rss - before) / 1024 / cycles
