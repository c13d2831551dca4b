"""Slots as actors of a Ray cluster: one for each graphics card, or for each few cores where there is none."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

from paragon_core.atomic_files import marker, prepare_folder
from paragon_core.errors import BackendUnavailableError, InputError, ParagonError
from paragon_core.media.done import is_done
from paragon_core.media.jobs import JobResult, failure
from paragon_core.slots.actor import ClusterSlot, Copied, Unshared
from paragon_core.slots.copies import Place, pieces_of, write_pieces
from paragon_core.slots.slots import Closed, Event, Finished, Opened
from paragon_core.slots.units import FileUnit
from paragon_core.slots.worker import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from concurrent.futures import Future
    from pathlib import Path
    from types import ModuleType

    from paragon_core.slots.settings import SlotSettings, SlotState
    from paragon_core.slots.units import Unit

_LOG: Final = logging.getLogger(__name__)

#: Seconds that slots get to end what they do, before they are ended.
_PATIENCE: Final = 10.0
#: Seconds between looks at how large the cluster is.
LOOKS: Final = 5.0
#: Seconds after which the user is told that no slot is there yet.
_SILENCE: Final = 20.0
#: Slots that may end by themselves, for each that there is, before any unit is done.
_LOSSES: Final = 3

_INSTALL: Final = 'pip install "paragon-sr[cluster]"'
_EVERYWHERE: Final = "install the same version of Paragon, with the extra cluster, on all machines of the cluster"
#: How Ray tells that an actor could not be made from one that has ended.
_IN_CREATION: Final = "creation task"
#: How Ray tells that there is a cluster which does not take this driver: newer versions ask for a token.
_SHUT: Final = "Failed to connect to Ray cluster"


class _Happened(NamedTuple):
    """Something came of a call."""

    name: str
    """The slot's."""
    unit: Unit | None
    """The unit that the call was about; None where it was about the slot."""
    future: Future[Any]
    """What came of it."""


@dataclass(kw_only=True, eq=False)
class _Actor:
    """A slot, and what the driver knows of it."""

    handle: Any
    """Ray's."""
    host: str = ""
    """The machine it runs on; empty until it runs."""
    is_asked: bool = False
    """Whether it loads the model, or has."""
    units: dict[int, Unit] = field(default_factory=dict)
    """What it was given and has not done."""


class RaySlots:
    """Actors of a Ray cluster; as many as its resources allow at the moment, also where machines come and go."""

    def __init__(self, settings: SlotSettings, address: str, *, at_once: int, most: int | None = None) -> None:
        """Connect to nothing yet.

        Args:
            settings: what every unit has in common; a slot takes ``cores`` of the cluster's CPUs.
            address: of a running cluster, such as 10.0.0.1:6379; "auto" for the one that this machine belongs to or
                ``RAY_ADDRESS`` names.
            at_once: units that a slot holds at most.
            most: slots at most; None for all that there is room for.

        Raises:
            InputError: the address or the device is none that can be used.

        """
        if "://" in address:
            msg = f"{address} is the address of a Ray client"
            raise InputError(msg, hint="run the command on a machine of the cluster, or with: ray job submit")
        if ":" in settings.options.device:
            msg = f"Ray chooses the cards of its slots, not {settings.options.device}"
            raise InputError(msg, hint="leave --device out; --device cpu takes processors only")
        self._settings = settings
        self._address = address
        self._at_once = at_once
        self._most = most
        self._closing = ExitStack()
        self._happened: SimpleQueue[_Happened] = SimpleQueue()
        self._actors: dict[str, _Actor] = {}
        self._markers: dict[Path, Path | None] = {}
        self._disks: dict[int, Path] = {}
        self._created = self._broken = self._losses = self._room = 0
        self._state: SlotState | None = None
        self._looked = 0.0
        self._silent_since: float | None = time.monotonic()

    def __enter__(self) -> Self:
        """Connect to the cluster.

        Raises:
            BackendUnavailableError: Ray is missing, or there is no such cluster.

        """
        self._ray, self._errors = _ray()
        self._closing.enter_context(_connected(self._ray, self._address))
        self._closing.callback(self._end)
        self._shared_settings = self._ray.put(self._settings)
        self._cards = self._settings.options.device != "cpu" and bool(self._ray.cluster_resources().get("GPU"))
        self._remote = self._ray.remote(
            num_cpus=self._settings.cores,
            num_gpus=int(self._cards),
            max_restarts=0,
            max_task_retries=0,
            max_concurrency=self._at_once + 1,  # one more, to be told to cancel while it works
        )(ClusterSlot)
        return self

    def __exit__(self, *error: object) -> None:
        """Cancel what is under way, end all actors and leave the cluster."""
        self._closing.close()

    @property
    def expected(self) -> int:
        """Number of slots that are open or opening, or could be."""
        return len(self._actors) or max(self._room - self._broken, 0)

    def open(self, expected: SlotState | None) -> None:
        """Start actors; the first one that runs is asked what it computes with, all others after it."""
        self._state = expected
        self._look()
        for name, actor in self._actors.items():
            if actor.host and not actor.is_asked:
                self._ask(name, actor)
                if expected is None:
                    return

    def give(self, slot: str, unit: Unit) -> None:
        """Hand a unit to a slot; one that is gone has an event on its way that says so."""
        actor = self._actors.get(slot)
        if actor is None:
            return
        actor.units[unit.number] = unit
        place = Place.of(unit.job.source, self._marker(unit.job.target))
        self._watch(actor.handle.do.remote(unit, place), slot, unit)

    def events(self, seconds: float) -> list[Event]:
        """Return what has happened."""
        if time.monotonic() - self._looked > LOOKS:
            self._look()
        found: list[Event] = []
        with suppress(Empty):
            happened = self._happened.get(timeout=seconds)
            while True:
                if (event := self._event(happened)) is not None:
                    found.append(event)
                happened = self._happened.get_nowait()
        return found

    def _look(self) -> None:
        """Start as many actors as the cluster has room for, and give up those that it has none for any more."""
        self._looked = time.monotonic()
        self._room = sum(self._room_on(node["Resources"]) for node in self._ray.nodes() if node["Alive"])
        wanted = min(self._room - self._broken, self._room if self._most is None else self._most)
        waiting = [name for name, actor in self._actors.items() if not actor.host]
        for name in waiting[: max(len(self._actors) - wanted, 0)]:
            self._ray.kill(self._actors.pop(name).handle)
        for _ in range(wanted - len(self._actors)):
            self._created += 1
            name = f"slot {self._created}"
            self._actors[name] = actor = _Actor(handle=self._remote.remote(self._shared_settings))
            self._watch(actor.handle.host.remote(), name)
        if self._silent_since is not None and self._looked - self._silent_since > _SILENCE:
            self._silent_since = None
            _LOG.warning("the cluster has had no free slot for %.0f seconds; waiting for one", _SILENCE)

    def _room_on(self, resources: Mapping[str, float]) -> int:
        """Return how many slots a machine with such resources takes."""
        by_cores = int(resources.get("CPU", 0) // self._settings.cores)
        return min(by_cores, int(resources.get("GPU", 0))) if self._cards else by_cores

    def _ask(self, name: str, actor: _Actor) -> None:
        actor.is_asked = True
        self._watch(actor.handle.open.remote(self._state), name)

    def _watch(self, reference: Any, name: str, unit: Unit | None = None) -> None:  # noqa: ANN401 - Ray's
        """Have what comes of a call put into the queue, from another thread."""
        happened = partial(_Happened, name, unit)
        reference.future().add_done_callback(lambda future: self._happened.put(happened(future)))

    def _event(self, happened: _Happened) -> Event | None:
        name, unit, future = happened
        actor = self._actors.get(name)
        if actor is None:  # it was lost before
            return None
        try:
            value = future.result()
            if isinstance(value, Copied) and unit is not None:
                value = self._fetched(value, unit)
        except self._errors.RayTaskError as error:
            if unit is None:
                raise RuntimeError(str(error)) from error
            value = Outcome(number=unit.number, bug=str(error))
        except self._errors.RayError as error:
            return self._lost(name, error)
        if unit is not None:
            return self._of_unit(name, actor, unit, value)
        return self._of_slot(name, actor, value)

    def _of_slot(self, name: str, actor: _Actor, value: str | SlotState | ParagonError) -> Event | None:
        if isinstance(value, str):
            actor.host, self._silent_since = value, None
            if self._state is not None or not any(other.is_asked for other in self._actors.values()):
                self._ask(name, actor)
            return None
        if isinstance(value, ParagonError):
            return self._broke(name, str(value), value)
        return Opened(slot=name, state=value)

    def _of_unit(self, name: str, actor: _Actor, unit: Unit, value: Outcome | Unshared) -> Event | None:
        if isinstance(value, Unshared):
            if not isinstance(unit, FileUnit):
                why = f"on {actor.host}: it does not see {unit.job.target.parent}, where chunks of a video are"
                hint = "have all machines share a disk, under the same names"
                return self._broke(name, why, BackendUnavailableError(f"{name} {why}", hint=hint))
            outcome, references = self._sent(unit)
            if outcome is None:
                self._watch(actor.handle.do_copy.remote(unit, references), name, unit)
                return None
            value = outcome
        del actor.units[unit.number]
        self._losses = 0
        return Finished(slot=name, outcome=value)

    def _sent(self, unit: FileUnit) -> tuple[Outcome | None, list[Any]]:
        """Return where the pieces of a unit's source are, or what came of it without any work."""
        settings, job = self._settings, unit.job
        try:
            if not (settings.overwrite or unit.overwrite) and is_done(
                job,
                scale=next(iter(settings.models)),
                size=settings.size,
                time_range=settings.time_range,
                keep_damaged=settings.keep_damaged,
            ):
                return Outcome(number=unit.number, result=JobResult(job=job, state="skipped")), []
            prepare_folder(job.target)
            return None, [self._ray.put(piece) for piece in pieces_of(job.source)]
        except (ParagonError, OSError) as error:
            return Outcome(number=unit.number, result=failure(job, error)), []

    def _fetched(self, copied: Copied, unit: Unit) -> Outcome:
        """Write the target of a unit that another machine has made."""
        result = copied.outcome.result
        try:
            if result is not None and result.state == "written":
                write_pieces(unit.job.target, map(self._ray.get, copied.pieces))
        except ParagonError as error:
            result = failure(unit.job, error)
        return replace(copied.outcome, result=result)

    def _lost(self, name: str, error: Exception) -> Event:
        host = self._actors[name].host
        why = (f"on {host}: " if host else "") + _first_line(error)
        if not host and _IN_CREATION in str(error):
            refusal = BackendUnavailableError(f"a slot cannot be started: {why}", hint=_EVERYWHERE)
            return self._broke(name, why, refusal)
        self._losses += 1
        if self._losses > _LOSSES * max(self._room, 1):
            msg = f"slots end by themselves again and again; the last one: {why}"
            refusal = BackendUnavailableError(msg, hint="there may be too little memory for a slot; see Ray's logs")
            return self._broke(name, why, refusal, is_fatal=True)
        self._remove(name)
        return Closed(slot=name, why=why)

    def _broke(self, name: str, why: str, error: ParagonError, *, is_fatal: bool = False) -> Event:
        """Have one slot less, for good: another one would break as well."""
        self._broken += 1
        self._remove(name)
        return Closed(slot=name, why=why, error=error, is_fatal=is_fatal)

    def _remove(self, name: str) -> None:
        self._ray.kill(self._actors.pop(name).handle)  # it may only have been out of reach
        self._looked = 0.0

    def _marker(self, target: Path) -> Path | None:
        """Return a file on the target's disk that tells a slot that it writes to the same one."""
        folder = target.parent
        if folder not in self._markers:
            try:
                prepare_folder(target)
                disk = folder.stat().st_dev
                if disk not in self._disks:
                    self._disks[disk] = self._closing.enter_context(marker(folder))
                self._markers[folder] = self._disks[disk]
            except (ParagonError, OSError):  # whoever writes there is told
                self._markers[folder] = None
        return self._markers[folder]

    def _end(self) -> None:
        """Have slots end what they do, then end them."""
        with suppress(self._errors.RayError):
            busy = {name for name, actor in self._actors.items() if actor.units}
            for name in busy:
                self._actors[name].handle.cancel.remote()
            deadline = time.monotonic() + _PATIENCE
            while any(self._actors[name].units for name in busy) and time.monotonic() < deadline:
                with suppress(Empty):
                    name, unit, _ = self._happened.get(timeout=0.1)
                    if name in busy and unit is not None:
                        self._actors[name].units.pop(unit.number, None)
            for actor in self._actors.values():
                self._ray.kill(actor.handle)


def _ray() -> tuple[ModuleType, ModuleType]:
    """Import Ray and its errors.

    Raises:
        BackendUnavailableError: it is missing.

    """
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # what newer versions do; older ones warn of it
    try:
        import ray  # noqa: PLC0415 - only whoever asks for a cluster has it
        import ray.exceptions  # noqa: PLC0415 - likewise
    except ImportError as error:
        raise BackendUnavailableError("Ray is not installed here", hint=_INSTALL) from error
    return ray, ray.exceptions


@contextmanager
def _connected(ray: ModuleType, address: str) -> Iterator[None]:
    """Be a driver of a cluster; signals stay with whoever handles them.

    Raises:
        BackendUnavailableError: there is no such cluster.

    """
    before = signal.getsignal(signal.SIGTERM)
    try:
        _knock(os.environ.get("RAY_ADDRESS") or address if address == "auto" else address)
        ray.init(address, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, RuntimeError, TimeoutError, ValueError, SystemExit) as error:  # the latter where it gives up
        msg = f"the Ray cluster at {address} cannot be reached: {_first_line(error)}"
        hint = "start one with: ray start --head; or give its address; for this machine alone there is --devices"
        if _SHUT in str(error):
            hint = (
                "set RAY_AUTH_MODE=token, and have the cluster's ~/.ray/auth_token here; or install its version of Ray"
            )
        elif address == "auto" and isinstance(error, ConnectionError):
            msg = "no Ray cluster runs on this machine"
        raise BackendUnavailableError(msg, hint=hint) from error
    else:
        _silence()
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)
    try:
        yield
    finally:
        ray.shutdown()


def _knock(address: str) -> None:
    """Find out whether anybody is at an address: Ray would try for minutes, and then end the process.

    Raises:
        OSError: nobody is.

    """
    host, _, port = address.rpartition(":")
    if port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=_PATIENCE).close()


def _silence() -> None:
    """Keep Ray from printing pages to stdout about lost actors and machines; the run logs a line."""
    with suppress(ImportError):  # no option does it, and other versions may have it elsewhere
        from ray._private import worker  # noqa: PLC0415 - as all of Ray

        worker._worker_logs_enabled = False  # noqa: SLF001 - the only way


def _first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
