"""A slot on a machine of a cluster: what the driver calls there."""

from __future__ import annotations

import platform
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from paragon_core.errors import MediaError, ParagonError
from paragon_core.media.jobs import JobResult
from paragon_core.slots.copies import local_copy, named_as_before, pieces_of
from paragon_core.slots.worker import Outcome, Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from paragon_core.slots.copies import Place
    from paragon_core.slots.settings import SlotSettings, SlotState
    from paragon_core.slots.units import FileUnit, Unit


@dataclass(frozen=True, kw_only=True)
class Unshared:
    """The slot does not see the files of a unit."""

    number: int
    """The unit's."""


@dataclass(frozen=True, kw_only=True)
class Copied:
    """What came of a unit whose files were copied."""

    outcome: Outcome
    """As for any unit."""
    pieces: tuple[Any, ...] = ()
    """Where the pieces of the target are, if it was written."""


class ClusterSlot:
    """A `Worker` whose errors are values, so that they come through as they are."""

    def __init__(self, settings: SlotSettings) -> None:
        """Open nothing yet."""
        self._worker = Worker(settings)

    def host(self) -> str:
        """Return the name of the machine, once the slot has begun to exist."""
        return platform.node()

    def open(self, expected: SlotState | None) -> SlotState | ParagonError:
        """Load the model."""
        try:
            return self._worker.open(expected)
        except ParagonError as error:
            return error

    def do(self, unit: Unit, place: Place) -> Outcome | Unshared:
        """Do a unit, if its files are here."""
        return self._worker.do(unit) if place.is_shared(unit.job.source) else Unshared(number=unit.number)

    def do_copy(self, unit: FileUnit, pieces: Sequence[Any]) -> Copied:
        """Do a unit whose source comes in pieces, and return the target likewise."""
        import ray  # noqa: PLC0415 - it is there, because it calls this

        return self.do_pieces(unit, pieces, fetch=ray.get, store=ray.put)

    def do_pieces(
        self, unit: FileUnit, pieces: Sequence[Any], *, fetch: Callable[[Any], bytes], store: Callable[[bytes], Any]
    ) -> Copied:
        """Do a unit with functions that fetch and store a piece."""
        try:
            with local_copy(unit.job, map(fetch, pieces)) as job:
                outcome = self._worker.do(replace(unit, job=job, whole=True))
                result, stored = outcome.result, ()
                if result is not None:
                    if result.state == "written":
                        stored = tuple(map(store, pieces_of(job.target)))
                    result = named_as_before(result, job, unit.job)
                return Copied(outcome=replace(outcome, result=result), pieces=stored)
        except OSError as error:
            msg = f"{unit.job.source}: there is no room for a copy on {platform.node()}: {error.strerror or error}"
            failure = MediaError(msg, hint="free some space there, or use a disk that all machines share")
            return Copied(
                outcome=Outcome(number=unit.number, result=JobResult(job=unit.job, state="failed", error=failure))
            )

    def cancel(self) -> None:
        """End what is under way."""
        self._worker.cancel()

    def close(self) -> None:
        """Release the runtime."""
        self._worker.close()
