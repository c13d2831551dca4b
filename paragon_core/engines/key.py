"""Everything that changes an engine, its digest, and its place in the cache."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import PurePosixPath
from types import NoneType
from typing import Any, Final, Literal, Self, get_args

from paragon_core.errors import InputError

Flavour = Literal["tensorrt_rtx", "tensorrt"]

#: Raised when engines of older Paragons must not be used any more.
SCHEMA: Final = 1

#: GPUs that an engine of TensorRT-RTX runs on when it was built for none in particular, besides all from 12.0 on.
_RTX_DEFAULT: Final = ("sm_80", "sm_86", "sm_89")
_RTX_OPEN_END: Final = 120

_LONGEST_MODEL: Final = 28
_LONGEST_TARGET: Final = 20
_LONGEST_VERSION: Final = 16
_RESERVED: Final = re.compile(r"(?i)(con|prn|aux|nul|conin\$|conout\$|com\d|lpt\d)(\..*)?")


@dataclass(frozen=True, kw_only=True)
class Target:
    """The GPUs that an engine is built for."""

    capabilities: tuple[str, ...] = ()
    """Compute capabilities such as "sm_86", ascending. None means TensorRT-RTX's own choice: all from sm_80 on."""
    device: str = ""
    """Name and kind of the one GPU, for engines of full TensorRT, which are not portable."""

    def __post_init__(self) -> None:
        """Put the capabilities in order.

        Raises:
            InputError: one is not spelled like "sm_86".

        """
        for capability in self.capabilities:
            if not re.fullmatch(r"sm_\d{2,3}", capability):
                msg = f"{capability!r} is not a compute capability"
                raise InputError(msg, hint="write them like sm_86,sm_89: 86 for 8.6 (RTX 30), 89 for 8.9 (RTX 40)")
        object.__setattr__(self, "capabilities", tuple(sorted(set(self.capabilities), key=_number)))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``sm_86,sm_89``.

        Raises:
            InputError: it is something else.

        """
        return cls(capabilities=tuple(part.strip() for part in text.split(",")))

    @property
    def label(self) -> str:
        """A short text for people and paths."""
        names = [capability.replace("_", "") for capability in self.capabilities]
        if self.device:
            device = safe_name(re.sub(r"(?i)\b(nvidia|geforce)\b", "", self.device), _LONGEST_TARGET)
            return safe_name("-".join([*names, device]), _LONGEST_TARGET)
        text = "+".join(names) or "any"
        return text if len(text) <= _LONGEST_TARGET else f"{names[0]}+{len(names) - 1}more"

    def runs_on(self, capability: str) -> bool:
        """Return whether an engine of TensorRT-RTX for this target runs on a GPU of this capability."""
        if self.capabilities:
            return capability in self.capabilities
        return capability in _RTX_DEFAULT or _number(capability) >= _RTX_OPEN_END


@dataclass(frozen=True, kw_only=True)
class BuildOptions:
    """The builder's options; None leaves a choice to it."""

    tf32: bool = False
    """Whether fp32 arithmetic may be rounded to 10 bits."""
    optimization_level: int | None = None
    """How long to look for faster kernels, 0 to 5."""
    workspace_bytes: int | None = None
    """Memory that kernels may use for their work."""
    max_aux_streams: int | None = None
    """Streams that the engine may use besides the caller's."""


@dataclass(frozen=True, kw_only=True)
class EngineKey:
    """What an engine is made from, except for its sizes."""

    model: str
    """Name for people; it is part of the path only."""
    onnx_sha256: str
    """Hex digest of exactly the bytes that the parser got."""
    flavour: Flavour
    """Which TensorRT."""
    version: str
    """All four parts of its version."""
    target: Target
    """For which GPUs."""
    platform: str
    """Operating system and processor, such as "linux-x86_64"."""
    cuda_major: int
    """Which CUDA the TensorRT was made with."""
    precision: str
    """Arithmetic of the graph: "fp32" or "fp16"."""
    options: BuildOptions
    """The builder's options."""

    def __post_init__(self) -> None:
        """Refuse what would not make a key.

        Raises:
            InputError: naming the field.

        """
        fitting = {
            "onnx_sha256": re.fullmatch(r"[0-9a-f]{64}", self.onnx_sha256),
            "flavour": self.flavour in get_args(Flavour),
            "version": re.fullmatch(r"\d+(\.\d+){3}", self.version) and len(self.version) <= _LONGEST_VERSION,
            "precision": self.precision in {"fp32", "fp16"},
        }
        for field, fits in fitting.items():
            if not fits:
                msg = f"{getattr(self, field)!r} is not the {field} of an engine"
                raise InputError(msg)

    @cached_property
    def id(self) -> str:
        """Hex digest of everything that changes the engine."""
        fields = self.as_json()
        del fields["model"]
        text = json.dumps({"schema": SCHEMA} | fields, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(text.encode("ascii")).hexdigest()

    @property
    def family(self) -> str:
        """The model's name as the names of its folders begin."""
        return safe_name(self.model, _LONGEST_MODEL)

    @property
    def folder(self) -> PurePosixPath:
        """The folder of its engines, below that of the cache; any file system can hold it."""
        return PurePosixPath(f"{self.family}-{self.id[:8]}", f"{self.target.label}_{self.version}_{self.precision}")

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON knows it."""
        fields = asdict(self)
        fields["target"]["capabilities"] = list(self.target.capabilities)
        return fields

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """Read what `as_json` wrote.

        Raises:
            KeyError, TypeError, ValueError: it is something else.

        """
        fields = dict(value)
        target, options = fields.pop("target"), fields.pop("options")
        for name, field in fields.items():
            typed(field, int if name == "cuda_major" else str)
        for name, option in options.items():
            typed(option, *((bool,) if name == "tf32" else (int, NoneType)))
        return cls(
            **fields,
            target=Target(
                capabilities=tuple(typed(name, str) for name in typed(target["capabilities"], list)),
                device=typed(target["device"], str),
            ),
            options=BuildOptions(**options),
        )


def typed(value: Any, *kinds: type) -> Any:  # noqa: ANN401 - from JSON, where anything can be
    """Return a value from JSON that has exactly one of these types; a bool is no int.

    Raises:
        TypeError: it has another.

    """
    if type(value) not in kinds:
        msg = f"{type(value).__name__} instead of {kinds[0].__name__}"
        raise TypeError(msg)
    return value


def safe_name(text: str, longest: int) -> str:
    """Return a text as a file name that Windows and all others take, of at most ``longest`` characters."""
    name = re.sub(r"[^A-Za-z0-9._+-]+", "-", text)[:longest].strip(".-") or "unnamed"
    return f"_{name}"[:longest].rstrip(".-") if _RESERVED.fullmatch(name) else name


def _number(capability: str) -> int:
    return int(capability.removeprefix("sm_"))
