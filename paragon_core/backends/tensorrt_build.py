"""Build engines with TensorRT-RTX; a machine without a GPU can do that, too."""

from __future__ import annotations

import functools
import hashlib
import importlib
import logging
import sysconfig
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import metadata
from typing import TYPE_CHECKING, Any, Final

from paragon_core import onnx_graph
from paragon_core.engines import BuildOptions, EngineKey, Flavour, Profile, Progress, Target, ignore_progress
from paragon_core.errors import BackendUnavailableError, EngineBuildError, InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from paragon_core.backends.base import Network
    from paragon_core.onnx_graph import Io
    from paragon_core.onnx_graph.nodes import Precision

#: The wheel for each CUDA, the one that works with vs-mlrt first.
_PACKAGES: Final = {"tensorrt-rtx-cu13": 13, "tensorrt-rtx-cu12": 12}
_PIP_LINE: Final = "pip install tensorrt-rtx-cu13==1.7.1.116"

#: TensorRT keeps the first logger that it gets, so what it says can be told apart for one build at a time only.
_ONE_AT_A_TIME: Final = threading.Lock()

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class GraphToBuild:
    """What the builder gets."""

    onnx: bytes
    """The graph, for any size."""
    io: Io
    """Type and layout of its input and output."""
    channels: int
    """Channels of its input."""


def installed_version(flavour: Flavour = "tensorrt_rtx") -> str:
    """Return all four parts of the installed version.

    Raises:
        BackendUnavailableError: it is not installed, or does not load.

    """
    return str(_module(flavour).__version__)


def graph_to_build(network: Network, precision: Precision, *, io: Io | None = None) -> GraphToBuild:
    """Return a network as TensorRT takes it: for any size, and without names and versions.

    Those would only make engines useless whose network is still the same.

    Args:
        network: what is to be computed; its ``size`` is a matter of the profile, not of the graph.
        precision: of weights and arithmetic.
        io: another type of input and output than the network's.

    Raises:
        InputError: for a combination that does not exist.

    """
    io = network.io if io is None else io
    proto = onnx_graph.build(
        network.model,
        fused=network.fused,
        precision=precision,
        io=io,
        grey=network.grey,
        separate_detail=network.separate_detail,
        for_tensorrt=True,
    )
    proto.ClearField("producer_version")
    proto.ClearField("metadata_props")
    proto.graph.name = "paragon"
    channels = (1 if network.grey else 3) * (1 + network.separate_detail)
    return GraphToBuild(onnx=proto.SerializeToString(deterministic=True), io=io, channels=channels)


def engine_key(
    model: str,
    graph: GraphToBuild,
    precision: Precision,
    *,
    target: Target,
    flavour: Flavour = "tensorrt_rtx",
    options: BuildOptions = BuildOptions(),  # noqa: B008 - frozen
) -> EngineKey:
    """Return the key of the engines that `build` makes here.

    Raises:
        BackendUnavailableError: the builder is not installed.

    """
    return EngineKey(
        model=model,
        onnx_sha256=hashlib.sha256(graph.onnx).hexdigest(),
        flavour=flavour,
        version=installed_version(flavour),
        target=target,
        platform=sysconfig.get_platform(),
        cuda_major=_cuda_major(),
        precision=precision,
        options=options,
    )


def build(
    graph: GraphToBuild,
    profile: Profile,
    *,
    target: Target,
    options: BuildOptions = BuildOptions(),  # noqa: B008 - frozen
    progress: Progress = ignore_progress,
) -> bytes:
    """Build an engine for TensorRT-RTX.

    Two builds of the same graph may differ in a few bytes: the builder numbers equal things in any order.

    Args:
        graph: from `graph_to_build`.
        profile: for which sizes.
        target: for which GPUs.
        options: what the builder is told.
        progress: told how far it is; an exception from it stops the build and is raised here.

    Raises:
        BackendUnavailableError: TensorRT-RTX is not installed.
        EngineBuildError: it refused the graph or the sizes, or failed.
        InputError: it knows no such GPU.

    """
    trt = _module("tensorrt_rtx")
    with _heard(trt) as said:
        builder = trt.Builder(said.logger)
        definition = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
        parser = trt.OnnxParser(definition, said.logger)
        if not parser.parse(graph.onnx):
            reasons = [str(parser.get_error(index)) for index in range(parser.num_errors)]
            raise _refused("the graph", reasons)
        config = _config(trt, builder, target, options)
        shapes = _shapes(graph, profile)
        sizes = builder.create_optimization_profile()
        sizes.set_shape(onnx_graph.INPUT, *shapes)
        if config.add_optimization_profile(sizes) < 0:
            raise _refused(f"the graph in sizes of {profile.name}", said.problems)
        monitor = _monitor(trt, progress)
        config.progress_monitor = monitor
        engine = builder.build_serialized_network(definition, config)
        if monitor.stopped_by is not None:
            raise monitor.stopped_by
        # An inconsistent profile is a mere warning of TensorRT, and an engine that fails later.
        if engine is None or any("rofile" in problem for problem in said.problems):
            raise _refused(f"the graph in sizes of {profile.name}", said.problems)
        return bytes(engine)


def _shapes(graph: GraphToBuild, profile: Profile) -> list[tuple[int, ...]]:
    shapes: list[tuple[int, ...]] = []
    for width, height in (profile.minimum, profile.optimum, profile.maximum):
        plane = [height, width]
        plane.insert(2 if graph.io == "uint8" else 0, graph.channels)
        shapes.append((profile.batch, *plane))
    return shapes


def _config(trt: Any, builder: Any, target: Target, options: BuildOptions) -> Any:  # noqa: ANN401 - imported late
    config = builder.create_builder_config()
    if not options.tf32:
        config.clear_flag(trt.BuilderFlag.TF32)
    if options.optimization_level is not None:
        config.builder_optimization_level = options.optimization_level
    if options.workspace_bytes is not None:
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, options.workspace_bytes)
    if options.max_aux_streams is not None:
        config.max_aux_streams = options.max_aux_streams
    known = {f"sm_{name[2:]}": value for name, value in trt.ComputeCapability.__members__.items() if name[:2] == "SM"}
    if unknown := [capability for capability in target.capabilities if capability not in known]:
        msg = f"TensorRT-RTX {trt.__version__} does not know {', '.join(unknown)}"
        raise InputError(msg, hint=f"it knows {', '.join(known)}")
    if target.capabilities:
        config.num_compute_capabilities = len(target.capabilities)
        for index, capability in enumerate(target.capabilities):
            config.set_compute_capability(known[capability], index)
    return config


def _refused(what: str, reasons: list[str]) -> EngineBuildError:
    said = " ".join(" ".join(reason.split()) for reason in reasons) or "it does not say why"
    hint = "use another backend, and please report this with the model, the sizes and the version of TensorRT"
    return EngineBuildError(f"TensorRT refused {what}: {said[:600]}", hint=hint)


@dataclass(kw_only=True)
class _Heard:
    """What TensorRT said during one build."""

    logger: Any
    problems: list[str] = field(default_factory=list)


@contextmanager
def _heard(trt: Any) -> Iterator[_Heard]:  # noqa: ANN401 - imported late
    """Listen to TensorRT, which by itself would write to stdout, where others expect a video."""
    with _ONE_AT_A_TIME:
        logger = _logger(trt)
        logger.heard = _Heard(logger=logger)
        try:
            yield logger.heard
        finally:
            logger.heard = None


@functools.cache
def _logger(trt: Any) -> Any:  # noqa: ANN401 - imported late
    levels = {
        trt.ILogger.INTERNAL_ERROR: logging.ERROR,
        trt.ILogger.ERROR: logging.ERROR,
        trt.ILogger.WARNING: logging.WARNING,
        trt.ILogger.INFO: logging.INFO,
    }

    class Logger(trt.ILogger):  # type: ignore[misc]
        heard: _Heard | None = None

        def __init__(self) -> None:
            trt.ILogger.__init__(self)

        def log(self, severity: Any, message: str) -> None:  # noqa: ANN401
            level = levels.get(severity, logging.DEBUG)
            if level >= logging.WARNING and self.heard is not None:
                self.heard.problems.append(message)
            if level > logging.DEBUG:  # what is below goes into thousands of lines
                _LOG.debug("%s", message)

    return Logger()


def _monitor(trt: Any, progress: Progress) -> Any:  # noqa: ANN401 - imported late
    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]
        """Tells how far the build is: phases lie in phases, each with a number of steps."""

        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self.stopped_by: BaseException | None = None
            self._phases: dict[str, tuple[int, int]] = {}  # steps done, steps; the outermost first
            self._share = 0.0

        def phase_start(self, name: str, parent: str | None, steps: int) -> None:
            del parent
            self._phases[name] = (0, max(steps, 1))

        def step_complete(self, name: str, step: int) -> bool:
            if name in self._phases:
                self._phases[name] = (step + 1, self._phases[name][1])
            self._tell(name)
            return self.stopped_by is None

        def phase_finish(self, name: str) -> None:
            self._phases.pop(name, None)

        def _tell(self, name: str) -> None:
            share, width = 0.0, 1.0
            for done, steps in self._phases.values():
                share += width * min(done / steps, 1.0)
                width /= steps
            self._share = min(max(self._share, share), 1.0)
            if self.stopped_by is None:
                try:
                    progress(self._share, name)
                except BaseException as error:  # noqa: BLE001 - must not pass through TensorRT
                    self.stopped_by = error

    return Monitor()


def _module(flavour: Flavour) -> Any:  # noqa: ANN401 - imported late
    if flavour != "tensorrt_rtx":
        msg = "engines of full TensorRT are built on the machine that runs them"
        raise BackendUnavailableError(msg, hint=f"{_PIP_LINE}, which builds for other machines as well")
    try:
        return importlib.import_module(flavour)
    except ImportError as error:
        if isinstance(error, ModuleNotFoundError) and error.name == flavour:
            msg = "TensorRT-RTX is not installed"
            raise BackendUnavailableError(msg, hint=_PIP_LINE) from error
        msg = f"TensorRT-RTX does not load: {error}"
        raise BackendUnavailableError(msg, hint=f"pip install --force-reinstall {_PIP_LINE[12:]}") from error


def _cuda_major() -> int:
    for package, major in _PACKAGES.items():
        try:
            metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
        return major
    return 0
