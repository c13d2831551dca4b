"""How fast something is counted, as it goes now: neither its slow start nor a single stall changes the answer much."""

from __future__ import annotations

import statistics
from collections import deque
from itertools import pairwise
from typing import Final

#: Seconds that are looked back on, and the least number of counts, where these take longer.
_WINDOW: Final = 30.0
_FEWEST: Final = 16
#: Seconds before there is a rate.
_FIRST: Final = 1.0
#: Seconds between two counts that are kept.
_RESOLUTION: Final = 0.1
#: Parts of the window whose rates are compared, and the counts that each of them needs: several frames are in work at
#: once and may be done at the same moment.
_PARTS: Final = 5
_COUNTS_OF_A_PART: Final = 4
_FEWEST_PARTS: Final = 3


class RateMeter:
    """Measures a rate from the first count on, so that what comes before it does not matter.

    The rate is the median of those of five parts of the last half minute: a disk that stalls, or a computer that was
    asleep, falls into one of them.
    """

    def __init__(self) -> None:
        """Begin without any count."""
        self._counts: deque[tuple[float, float]] = deque()

    def add(self, moment: float, count: float) -> None:
        """Note a count at a moment, in seconds; neither goes back."""
        counts = self._counts
        if len(counts) > 1 and moment - counts[-2][0] < _RESOLUTION:
            counts[-1] = moment, count
        else:
            counts.append((moment, count))
        while len(counts) > _FEWEST + 1 and moment - counts[1][0] >= _WINDOW:
            counts.popleft()

    @property
    def rate(self) -> float | None:
        """Counts a second; None as long as it is not known."""
        counts = list(self._counts)
        if not counts or counts[-1][0] - counts[0][0] < _FIRST or counts[-1][1] <= counts[0][1]:
            return None
        parts = min((len(counts) - 1) // _COUNTS_OF_A_PART, _PARTS)
        if parts < _FEWEST_PARTS:
            return _rate(counts[0], counts[-1])
        ends = [counts[(len(counts) - 1) * part // parts] for part in range(parts + 1)]
        return statistics.median(_rate(first, last) or 0.0 for first, last in pairwise(ends)) or None


def _rate(first: tuple[float, float], last: tuple[float, float]) -> float | None:
    """Return what was counted in a second between two moments."""
    seconds = last[0] - first[0]
    return (last[1] - first[1]) / seconds if seconds > 0 else None
