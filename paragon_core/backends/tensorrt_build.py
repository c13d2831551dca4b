"""Build engines with TensorRT-RTX, for which no GPU is needed, or with full TensorRT on the GPU that will run them."""

from __future__ import annotations

import functools
import hashlib
import importlib
import logging
import sysconfig
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib import metadata
from typing import TYPE_CHECKING, Any, Final

from paragon_core.backends import cuda_driver
from paragon_core.engines import BuildOptions, BuildProgress, EngineKey, Flavour, Profile, Target, ignore_progress
from paragon_core.errors import BackendUnavailableError, EngineBuildError, InputError
from paragon_core.graph import onnx_graph

if TYPE_CHECKING:
    from collections.abc import Iterator

    from paragon_core.graph.graph_spec import GraphSpec, Io
    from paragon_core.graph.onnx_nodes import Precision
    from paragon_core.models.model import Model

#: What people call them.
TITLES: Final[dict[Flavour, str]] = {"tensorrt_rtx": "TensorRT-RTX", "tensorrt": "TensorRT"}

PIP_LINE: Final = "pip install tensorrt-rtx-cu13==1.7.1.116"
PIP_LINE_CUDA_12: Final = "pip install tensorrt-rtx-cu12==1.7.1.116"
_PIP_LINES: Final[dict[Flavour, str]] = {"tensorrt_rtx": PIP_LINE, "tensorrt": "pip install tensorrt-cu13"}

#: The wheel for each CUDA, the one that works with vs-mlrt first.
_PACKAGES: Final[dict[Flavour, dict[str, int]]] = {
    "tensorrt_rtx": {"tensorrt-rtx-cu13": 13, "tensorrt-rtx-cu12": 12},
    "tensorrt": {"tensorrt-cu13": 13, "tensorrt-cu12": 12},
}

#: Full TensorRT from here on has all that is used, and the same meaning for it.
_OLDEST: Final = (10, 12)

#: TensorRT keeps the first logger that it gets, so what it logs can be assigned to one build at a time only.
_ONE_AT_A_TIME: Final = threading.Lock()

#: Seconds between two questions whether a build shall go on.
_PATIENCE: Final = 0.2

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class GraphToBuild:
    """What the builder gets."""

    onnx: bytes
    """The graph, for any size."""
    io: Io
    """Type and layout of its input and output; bytes come with one more row (``check`` of `onnx_graph.build`)."""
    channels: int
    """Channels of its input."""


def installed_version(flavour: Flavour = "tensorrt_rtx") -> str:
    """Return all four parts of the installed version.

    Raises:
        BackendUnavailableError: it is not installed, or does not load.

    """
    return str(module(flavour).__version__)


def graph_to_build(model: Model, spec: GraphSpec, precision: Precision) -> GraphToBuild:
    """Return a model's graph as TensorRT takes it: for any size, and without names and versions.

    Those would only make engines useless whose network is still the same.

    Args:
        model: the checkpoint.
        spec: in which form; its ``size`` is a matter of the profile, not of the graph.
        precision: of weights and arithmetic.

    Raises:
        InputError: for a combination that does not exist.

    """
    proto = onnx_graph.build(
        model, replace(spec, size=None), precision=precision, portable=True, check=spec.io == "uint8"
    )
    proto.ClearField("producer_version")
    proto.ClearField("metadata_props")
    proto.graph.name = "paragon"
    return GraphToBuild(onnx=proto.SerializeToString(deterministic=True), io=spec.io, channels=spec.channels)


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
        cuda_major=cuda_major(flavour),
        precision=precision,
        options=options,
    )


def build(
    graph: GraphToBuild,
    profile: Profile,
    *,
    target: Target,
    flavour: Flavour = "tensorrt_rtx",
    options: BuildOptions = BuildOptions(),  # noqa: B008 - frozen
    progress: BuildProgress = ignore_progress,
) -> bytes:
    """Build an engine.

    For one size, TensorRT-RTX makes the same bytes from the same graph, also in other processes. For a range of sizes,
    a few bytes may differ: the order in which the builder numbers the lengths that follow from width and height depends
    on where it keeps them in memory. One convolution and one DepthToSpace are enough for that, and no option helps.

    Args:
        graph: from `graph_to_build`.
        profile: for which sizes.
        target: for which GPUs.
        flavour: which TensorRT; the full one builds for the current GPU only, whatever the target says.
        options: options of the builder.
        progress: called with how far it is, several times a second; an exception from it ends the build and is raised.
            TensorRT-RTX asks whether it shall end between its steps only, of which one takes most of the time: until
            then it goes on in the background.

    Raises:
        BackendUnavailableError: TensorRT is not installed, or the full one finds no driver.
        EngineBuildError: it refused the graph or the sizes, or failed.
        InputError: it knows no such GPU.

    """
    if flavour == "tensorrt":
        cuda_driver.find()  # without a driver, it may crash the process
    check_target(flavour, target)
    trt = module(flavour)
    relay = ProgressRelay(progress)
    if flavour == "tensorrt":  # it tries kernels on this thread's current GPU, and asks often
        return _build(trt, graph, profile, target, options, relay)
    worker = ThreadPoolExecutor(1, thread_name_prefix="paragon-build")
    building = worker.submit(_build, trt, graph, profile, target, options, relay)
    worker.shutdown(wait=False)
    try:
        while wait([building], timeout=_PATIENCE).not_done:
            relay.report_again()
    except BaseException as error:  # Ctrl-C
        relay.stopped_by = error
        raise
    return building.result()


def _build(  # noqa: PLR0917 - nobody else calls it
    trt: Any,  # noqa: ANN401 - imported late
    graph: GraphToBuild,
    profile: Profile,
    target: Target,
    options: BuildOptions,
    relay: ProgressRelay,
) -> bytes:
    with captured_log(trt) as log:
        builder = trt.Builder(log.logger)
        definition = builder.create_network(network_flags(trt))
        parser = trt.OnnxParser(definition, log.logger)
        if not parser.parse(graph.onnx):
            reasons = [str(parser.get_error(index)) for index in range(parser.num_errors)]
            raise _refused("the graph", reasons)
        config = _config(trt, builder, target, options)
        shapes = _shapes(graph, profile)
        sizes = builder.create_optimization_profile()
        sizes.set_shape(onnx_graph.INPUT, *shapes)
        if config.add_optimization_profile(sizes) < 0:
            raise _refused(f"the graph in sizes of {profile.name}", log.problems)
        monitor = _monitor(trt, relay)
        config.progress_monitor = monitor
        engine = builder.build_serialized_network(definition, config)
        if relay.stopped_by is not None:
            raise relay.stopped_by
        # An inconsistent profile is a mere warning of TensorRT, and an engine that fails later.
        if engine is None or any("rofile" in problem for problem in log.problems):
            raise _refused(f"the graph in sizes of {profile.name}", log.problems)
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
    known = _capabilities(trt)
    if known and target.capabilities:
        config.num_compute_capabilities = len(target.capabilities)
        for index, capability in enumerate(target.capabilities):
            config.set_compute_capability(known[capability], index)
    return config


def network_flags(trt: Any) -> int:  # noqa: ANN401 - imported late
    """Ask for the types of the graph, which newer TensorRTs keep to without being asked."""
    strongly_typed = getattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
    return 0 if strongly_typed is None else 1 << int(strongly_typed)


def _capabilities(trt: Any) -> dict[str, Any]:  # noqa: ANN401 - imported late
    """Return TensorRT-RTX's names of GPUs; full TensorRT has none."""
    names = getattr(getattr(trt, "ComputeCapability", None), "__members__", {})
    return {f"sm_{name[2:]}": value for name, value in names.items() if name[:2] == "SM"}


def check_target(flavour: Flavour, target: Target) -> None:
    """Refuse GPUs for which no engine can be built.

    Raises:
        BackendUnavailableError: TensorRT is not installed.
        InputError: it knows no such GPU.

    """
    trt = module(flavour)
    known = _capabilities(trt)
    if known and (unknown := [capability for capability in target.capabilities if capability not in known]):
        msg = f"{TITLES[flavour]} {trt.__version__} does not know {', '.join(unknown)}"
        raise InputError(msg, hint=f"it knows {', '.join(known)}")


def _refused(what: str, reasons: list[str]) -> EngineBuildError:
    said = " ".join(" ".join(reason.split()) for reason in reasons) or "it does not say why"
    hint = "use another backend, and please report this with the model, the sizes and the version of TensorRT"
    return EngineBuildError(f"TensorRT refused {what}: {said[:600]}", hint=hint)


@dataclass(kw_only=True)
class LogCapture:
    """What TensorRT logged during one build, or while it loaded one engine."""

    logger: Any
    problems: list[str] = field(default_factory=list)


@contextmanager
def captured_log(trt: Any) -> Iterator[LogCapture]:  # noqa: ANN401 - imported late
    """Listen to TensorRT, which by itself would write to stdout, where others expect a video."""
    with _ONE_AT_A_TIME:
        logger = _logger(trt)
        logger.capture = LogCapture(logger=logger)
        try:
            yield logger.capture
        finally:
            logger.capture = None


@functools.cache
def _logger(trt: Any) -> Any:  # noqa: ANN401 - imported late
    levels = {
        trt.ILogger.INTERNAL_ERROR: logging.ERROR,
        trt.ILogger.ERROR: logging.ERROR,
        trt.ILogger.WARNING: logging.WARNING,
        trt.ILogger.INFO: logging.INFO,
    }

    class Logger(trt.ILogger):  # type: ignore[misc]
        capture: LogCapture | None = None

        def __init__(self) -> None:
            trt.ILogger.__init__(self)

        def log(self, severity: Any, message: str) -> None:  # noqa: ANN401 - tensorrt is imported late
            level = levels.get(severity, logging.DEBUG)
            if level >= logging.WARNING and self.capture is not None:
                self.capture.problems.append(message)
            if level > logging.DEBUG:  # what is below goes into thousands of lines
                _LOG.debug("%s", message)

    return Logger()


class ProgressRelay:
    """Passes progress on to the caller from any thread, and keeps the exception by which the caller ends the build."""

    def __init__(self, progress: BuildProgress) -> None:
        self.stopped_by: BaseException | None = None
        self._progress = progress
        self._last = (0.0, "starting")
        self._lock = threading.Lock()

    def report(self, share: float, doing: str) -> None:
        """Pass on the share that is done, and what is being done; shares only grow."""
        with self._lock:
            self._last = (min(max(self._last[0], share), 1.0), doing)
            if self.stopped_by is None:
                try:
                    self._progress(*self._last)
                except BaseException as error:  # noqa: BLE001 - must not pass through TensorRT
                    self.stopped_by = error

    def report_again(self) -> None:
        """Report the last again, and raise what ended the build."""
        self.report(*self._last)
        if self.stopped_by is not None:
            raise self.stopped_by


def _monitor(trt: Any, relay: ProgressRelay) -> Any:  # noqa: ANN401 - imported late
    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]
        """Reports how far the build is: phases lie in phases, each with a number of steps."""

        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self._phases: dict[str, tuple[int, int]] = {}  # steps done, steps; the outermost first

        def phase_start(self, name: str, parent: str | None, steps: int) -> None:
            del parent
            self._phases[name] = (0, max(steps, 1))

        def step_complete(self, name: str, step: int) -> bool:
            if name in self._phases:
                self._phases[name] = (step + 1, self._phases[name][1])
            share, width = 0.0, 1.0
            for done, steps in self._phases.values():
                share += width * min(done / steps, 1.0)
                width /= steps
            relay.report(share, name)
            return relay.stopped_by is None

        def phase_finish(self, name: str) -> None:
            self._phases.pop(name, None)

    return Monitor()


def module(flavour: Flavour) -> Any:  # noqa: ANN401 - imported late
    """Return a TensorRT.

    Raises:
        BackendUnavailableError: it is not installed, does not load, or is too old.

    """
    title, pip_line = TITLES[flavour], _PIP_LINES[flavour]
    try:
        trt = importlib.import_module(flavour)
    except Exception as error:  # not only ImportError: broken installations raise whatever they run into
        if isinstance(error, ModuleNotFoundError) and error.name == flavour:
            msg = f"{title} is not installed"
            raise BackendUnavailableError(msg, hint=pip_line) from error
        msg = f"{title} does not load: {error}"
        raise BackendUnavailableError(msg, hint=pip_line.replace("install", "install --force-reinstall")) from error
    if flavour == "tensorrt" and tuple(map(int, str(trt.__version__).split(".")[:2])) < _OLDEST:
        msg = f"TensorRT {trt.__version__} is too old: Paragon needs {'.'.join(map(str, _OLDEST))}"
        raise BackendUnavailableError(msg, hint=f"{pip_line}, or {PIP_LINE}")
    return trt


def cuda_major(flavour: Flavour) -> int:
    """Return the CUDA that an installed TensorRT was made with; 0 if its wheel does not say."""
    for package, major in _PACKAGES[flavour].items():
        try:
            metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
        return major
    return 0
