"""What is timed: Paragon in every runtime, its networks as upstream exports them, other networks, resampling."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from benchmarks.peers import graphs
from benchmarks.peers.networks import NETWORKS
from benchmarks.peers.resampling import LIBRARIES
from benchmarks.peers.runtimes import RUNTIMES
from paragon_core.backends import BACKENDS, Backend, Session, SessionOptions
from paragon_core.errors import ParagonError
from paragon_core.models.model import Model, bundled, load
from paragon_core.upscaling.upscaler import Upscaler

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from contextlib import ExitStack

    import numpy as np
    import numpy.typing as npt

    from benchmarks.peers.networks import Network
    from paragon_core.graph.graph_spec import GraphSpec

    Pixels = npt.NDArray[np.uint8]
    Upscale = Callable[[Pixels], Pixels]

Kind = Literal["ours", "upstream", "network", "resampling"]

#: What is opened in several runtimes, of which only the fastest counts.
CONTESTED: Final = frozenset({"upstream", "network"})


@dataclass(frozen=True, kw_only=True)
class Task:
    """What has to be upscaled, and by how much of the machine."""

    scale: int
    """Factor along both axes."""
    width: int
    """Columns of the input."""
    height: int
    """Rows of the input."""
    calls: int
    """Images at once, each on one core."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Candidate:
    """One way to upscale an image, not open yet."""

    method: str
    """The network, or the kernel."""
    kind: Kind
    """Whose it is."""
    runtime: str
    """What it runs in."""
    parameters: int | None = None
    """Of the network."""

    @property
    def name(self) -> str:
        """What no other way of the task is called."""
        return f"{self.method}, {self.kind}, {self.runtime}"


@dataclass(frozen=True, kw_only=True, eq=False)
class Way(Candidate):
    """One that is open."""

    upscale: Upscale
    """From [h, w, 3] to [scale h, scale w, 3], RGB."""


#: What opens a candidate.
Opening = Callable[[], "Upscale"]


@dataclass(frozen=True, kw_only=True)
class Skipped:
    """What does not run here."""

    name: str
    """As that of a way."""
    reason: str
    """Why not."""


def methods(scale: int) -> tuple[str, ...]:
    """Return the names of the methods of a scale, in the order of the table."""
    resampling = dict.fromkeys(name for library in LIBRARIES.values() for name in library(scale))
    return (*our_models(scale), *(make(scale).name for make in NETWORKS), *resampling)


def our_models(scale: int) -> dict[str, Model]:
    """Return the bundled models of a scale by name; of those that differ in their training only, the first."""
    found: dict[str, Model] = {}
    for name in bundled():
        model = load(name)
        if model.spec.scale == scale and all(model.spec != other.spec for other in found.values()):
            found[name] = model
    return found


def open_ways(
    stack: ExitStack, task: Task, chosen: Collection[str], backends: Collection[str] | None = None
) -> tuple[list[Way], list[Skipped]]:
    """Open everything that upscales by the scale of a task.

    Args:
        stack: closes them.
        task: what they have to do.
        chosen: methods to open.
        backends: those of Paragon to open its models in, or None for all.

    Returns:
        The ways that are open, and what cannot be opened here.

    """
    found: list[Way] = []
    skipped: list[Skipped] = []
    for candidate, opening in _candidates(stack, task, backends):
        if candidate.method in chosen:
            try:
                found.append(Way(**vars(candidate), upscale=opening()))
            except ParagonError as error:
                skipped.append(Skipped(name=candidate.name, reason=str(error)))
    return found, skipped


def parameters_of(model: Model) -> int:
    """Return the number of a model's parameters."""
    return sum(value.size for key, value in model.arrays.items() if not key.endswith(".kernel"))


def _candidates(stack: ExitStack, task: Task, backends: Collection[str] | None) -> Iterator[tuple[Candidate, Opening]]:
    """Yield each candidate with what opens it."""
    yield from _our_candidates(stack, task, backends)
    for make in NETWORKS:
        yield from _network_candidates(task, make(task.scale))
    for library, kernels in LIBRARIES.items():
        for name, upscale in kernels(task.scale).items():
            yield Candidate(method=name, kind="resampling", runtime=library), _returning(upscale)


def _our_candidates(
    stack: ExitStack, task: Task, backends: Collection[str] | None
) -> Iterator[tuple[Candidate, Opening]]:
    usable = [backend for backend in BACKENDS.values() if backend.runs_on_cpu and backend.probe().available]
    for name, model in our_models(task.scale).items():
        for backend in usable:
            if backends is None or backend.name in backends:
                yield _ours(stack, task, model, name, backend, fused=True)
        for backend in usable:
            if backend.name in RUNTIMES:
                yield _ours(stack, task, model, name, backend, fused=False)


def _network_candidates(task: Task, network: Network) -> Iterator[tuple[Candidate, Opening]]:
    forms = graphs.forms_of(network)
    for form in forms:
        for runtime in RUNTIMES:
            candidate = Candidate(
                method=network.name,
                kind="network",
                runtime=runtime if len(forms) == 1 else f"{runtime} ({form})",
                parameters=network.parameters,
            )
            yield candidate, _opening_network(task, network, form, runtime)


def _ours(
    stack: ExitStack, task: Task, model: Model, name: str, backend: Backend, *, fused: bool
) -> tuple[Candidate, Opening]:
    candidate = Candidate(
        method=name,
        kind="ours" if fused else "upstream",
        runtime=backend.name,
        parameters=parameters_of(model),
    )
    return candidate, _opening_upscaler(stack, task, model, backend, fused=fused)


def _returning(upscale: Upscale) -> Opening:
    return lambda: upscale


def _opening_upscaler(stack: ExitStack, task: Task, model: Model, backend: Backend, *, fused: bool) -> Opening:
    """Return a function that opens Paragon: whole calls, exact, with the author's border as the others have it."""

    def opening() -> Upscale:
        one_size = backend.name in RUNTIMES
        upscaler = Upscaler(
            model,
            backend=cast("Backend", _AtOneSize(backend, (task.width, task.height))) if one_size else backend,
            device="cpu",
            precision="fp32",
            padding="zero",
            fused=fused,
            streams=task.calls,
            concurrency=task.calls,
            tile="off" if one_size else "auto",
        )
        return stack.enter_context(upscaler)

    return opening


def _opening_network(task: Task, network: Network, form: graphs.Form, runtime: str) -> Opening:
    def opening() -> Upscale:
        return RUNTIMES[runtime](graphs.build(network, (task.width, task.height), form=form), task.calls)

    return opening


class _AtOneSize:
    """A backend that knows from the first image on that all have one size; else it would find out after a second."""

    def __init__(self, backend: Backend, size: tuple[int, int]) -> None:
        self._backend = backend
        self._size = size

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the backend has
        return getattr(self._backend, name)

    def open(self, model: Model, spec: GraphSpec, options: SessionOptions) -> Session:
        """Build a session for images of that size."""
        return self._backend.open(model, replace(spec, size=self._size), options)
