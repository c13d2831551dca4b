"""Remember what the trials of reduced precisions showed, so that a machine is measured once for a runtime and a model.

One small file in the cache folder for each machine, runtime and model. What is damaged, or not the user's own, counts
as not there.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
import platform
from dataclasses import asdict, dataclass, fields
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final, Self, get_args

import paragon_core
from paragon_core.atomic_files import atomic_write
from paragon_core.backends import Precision
from paragon_core.engines import cache_folder, prepare_folder, trusted_folder
from paragon_core.errors import EngineCacheError, MediaError
from paragon_core.trusted_files import read_bounded

if TYPE_CHECKING:
    from paragon_core.backends import Backend
    from paragon_core.graph.graph_spec import GraphSpec
    from paragon_core.models.model import Model

_FOLDER: Final = PurePosixPath("precision")
_SCHEMA: Final = 1
_LONGEST_FILE: Final = 2**16

#: What makes a runtime compute otherwise on the same processor.
_VARIABLES: Final = (
    "ATEN_CPU_CAPABILITY",
    "CUDA_VISIBLE_DEVICES",
    "DNNL_MAX_CPU_ISA",
    "ONEDNN_MAX_CPU_ISA",
    "OV_CPU_MAX_ISA",
)

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What the comparison of a reduced precision with fp32 showed."""

    precision: Precision
    """The reduced precision."""
    max_error: float = math.nan
    """Largest difference from fp32 on any trial image, of values in 0..1; NaN if it overflowed."""
    psnr: float = math.nan
    """Lowest PSNR of any trial image against fp32 in dB for a peak of 1; infinite if nothing differs."""
    image: str = ""
    """The trial image where it was worst."""
    speedup: float = math.nan
    """fp32's time divided by its time; NaN if it was not timed, because it is too coarse for any depth."""
    failure: str = ""
    """Why it does not run, if it does not."""

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """Return the trial that `as_json` wrote.

        Raises:
            ValueError: it is none.

        """
        texts = {field.name: value[field.name] for field in fields(cls)}
        if not all(isinstance(text, str) for text in texts.values()) or texts["precision"] not in get_args(Precision):
            msg = "this is no trial"
            raise ValueError(msg)
        numbers = {name: float(texts[name]) for name in ("max_error", "psnr", "speedup")}
        return cls(precision=texts["precision"], image=texts["image"], failure=texts["failure"], **numbers)

    def as_json(self) -> dict[str, Any]:
        """Return it for a file; numbers as text, since JSON knows neither NaN nor infinity."""
        return {name: str(value) for name, value in asdict(self).items()}


@dataclass(frozen=True, kw_only=True)
class TrialKey:
    """Everything that the result of a trial depends on."""

    machine: str
    """The computer and its processor."""
    runtime: str
    """Name and version of the runtime."""
    device: str
    """Where it runs."""
    variables: str
    """Environment variables that make it compute otherwise."""
    paragon: str
    """Version of Paragon."""
    model: str
    """Digest of the checkpoint, and what was assumed in addition."""
    form: str
    """Which graph."""

    @classmethod
    def of(cls, backend: Backend, model: Model, spec: GraphSpec, device: str) -> Self:
        """Return the key of a backend and a model's graph here."""
        info = backend.probe()
        return cls(
            machine=_machine(),
            runtime=f"{backend.name} {info.version}",
            device=f"{device} {info.reason}",
            variables=" ".join(f"{name}={os.environ[name]}" for name in _VARIABLES if name in os.environ),
            paragon=paragon_core.__version__,
            model=f"{model.sha256} {model.spec.upsampler_alpha} {model.spec.window_size}",
            form=f"{'fused' if spec.fused else 'plain'} {spec.io}",
        )

    @property
    def id(self) -> str:
        """Return a name for a file."""
        text = json.dumps(list(asdict(self).values()))
        return hashlib.sha256(text.encode()).hexdigest()[:32]


def recall(key: TrialKey, cache: Path | None) -> tuple[Trial, ...] | None:
    """Return the trials that were remembered, or None.

    Args:
        key: what they depend on.
        cache: the cache folder; None for the one that `engines.cache_folder` names.

    """
    try:
        path = trusted_folder(cache_folder(cache)) / _FOLDER / f"{key.id}.json"
        value = json.loads(read_bounded(path, _LONGEST_FILE))
        if value["schema"] != _SCHEMA or value["key"] != asdict(key):
            return None
        return tuple(Trial.from_json(trial) for trial in value["trials"])
    except FileNotFoundError:
        return None
    except (OSError, EngineCacheError, ValueError, TypeError, KeyError, RecursionError) as error:
        _LOG.debug("what was measured before is not used: %s", error)
        return None


def remember(key: TrialKey, trials: tuple[Trial, ...], cache: Path | None) -> None:
    """Keep trials for `recall`; where they cannot be kept, only the log says so."""
    value = {"schema": _SCHEMA, "key": asdict(key), "trials": [trial.as_json() for trial in trials]}
    try:
        path = prepare_folder(trusted_folder(cache_folder(cache)), _FOLDER) / f"{key.id}.json"
        with atomic_write(path) as stream:
            stream.write(json.dumps(value, indent=2).encode("ascii"))
    except (OSError, EngineCacheError, MediaError) as error:
        _LOG.info("precisions are measured again next time: %s", error)


def _machine() -> str:
    """Name the computer and its processor; folders of users can be shared by several computers."""
    return f"{platform.node()} {platform.machine()} {platform.processor()} {_linux_processor()}".strip()


def _linux_processor() -> str:
    """Return what Linux says of the first core, its instruction sets included, but not its changing frequency."""
    wanted = ("vendor_id", "cpu family", "model", "model name", "stepping", "flags", "Features", "CPU part")
    try:
        first = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").partition("\n\n")[0]
    except OSError:
        return ""
    pairs = (line.partition(":")[::2] for line in first.splitlines())
    text = "\n".join(value.strip() for name, value in pairs if name.strip() in wanted)
    return hashlib.sha256(text.encode()).hexdigest()
