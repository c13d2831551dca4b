"""Patches of the next steps, drawn while the network learns from the present ones."""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from concurrent.futures import Future

    import numpy as np

    from paragon_core.training.data import Patches, PatchSource

#: Batches that wait for their step at most.
_AHEAD: Final = 2

State = dict[str, Any]


class PatchQueue:
    """Draws batches in a thread of its own: the same ones, in the same order, as if each were drawn when it is needed.

    Not to be used by several threads at once.
    """

    def __init__(self, source: PatchSource, generator: np.random.Generator) -> None:
        """Begin where ``generator`` is; the first batch is drawn when it is asked for.

        Args:
            source: where patches come from.
            generator: decides the batches. It belongs to the queue from now on.

        """
        self._source = source
        self._generator = generator
        self._state: State = _state_of(generator)
        self._waiting: deque[Future[tuple[Patches, State]]] = deque()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="paragon-patches")

    @property
    def state(self) -> State:
        """The generator's state after the last batch that was taken; those that wait are not in it."""
        return self._state

    def take(self) -> Patches:
        """Return the next batch, and let those after it be drawn."""
        while len(self._waiting) <= _AHEAD:
            self._waiting.append(self._thread.submit(self._draw))
        patches, self._state = self._waiting.popleft().result()
        return patches

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` was: what waits is drawn again, if it comes after that."""
        for each in self._waiting:
            each.cancel()
        for each in self._waiting:
            if not each.cancelled():
                each.exception()  # waits for what is being drawn
        self._waiting.clear()
        self._generator.bit_generator.state = dict(state)
        self._state = _state_of(self._generator)

    def _draw(self) -> tuple[Patches, State]:
        patches = self._source.draw(self._generator)
        return patches, _state_of(self._generator)


def _state_of(generator: np.random.Generator) -> State:
    return dict(generator.bit_generator.state)
