"""A network ready for use: its spec, its arrays and where they came from."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from paragon_core.checkpoint import Checkpoint, read_checkpoint
from paragon_core.detect import detect
from paragon_core.errors import AssumptionWarning, InputError, UnsupportedArchitectureError
from paragon_core.spec import FACTORY_ALPHA, FACTORY_WINDOW, ModelSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import numpy.typing as npt

WEIGHTS: Final = resources.files("paragon_core") / "weights"


@dataclass(frozen=True, kw_only=True)
class OfficialRelease:
    """A checkpoint that its author published; ``upsampler_alpha`` and ``window_size`` are in its training recipe."""

    name: str
    """File name as published, without suffix."""
    sha256: str
    """Hex digest of the published ``.safetensors``."""
    upsampler_alpha: float = 0.0
    """Value it was trained with."""
    window_size: int = FACTORY_WINDOW
    """Value it was trained with (photo only)."""


OFFICIAL_RELEASES: Final = (
    OfficialRelease(
        name="2xParagonSR2_Realtime_fidelity (v11)",
        sha256="887099be7a521817df20573d1c09fddb79a09a37d22048ebe80b2a88ac3b4fbb",
    ),
    OfficialRelease(
        name="2xParagonSR2_Realtime_fidelity (v6)",
        sha256="40be28ea13d883ef2994a8f69a24f04e1b19685e92179c01835a37560c657d69",
    ),
    OfficialRelease(
        name="2xParagonSR2_Stream_fidelity (v11)",
        sha256="cdf82e2dc32254853d964651d7107363adf5cc4576a0b043ad8f90ae17644308",
    ),
    OfficialRelease(
        name="2xParagonSR2_Stream_fidelity (v9)",
        sha256="aab061b3dd4c1eede87d6595a3c7503dcd76bc3e5c72464fe86b3b99b527da22",
    ),
    OfficialRelease(
        name="2xParagonSR2_Photo_fidelity (v9)",
        sha256="7c02c13b7f8fafed3f819d7ab7939c15d585e48a9f769a9825e05f028fdf25a0",
    ),
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Model:
    """A checkpoint that was recognised and checked."""

    spec: ModelSpec
    """The network's hyper-parameters, including the two that no tensor holds."""
    arrays: Mapping[str, npt.NDArray[np.float32]]
    """Read-only float32 arrays under upstream's v9/v11 keys."""
    name: str
    """Name for people: the boxed model's, or the file's without folder and suffix."""
    sha256: str
    """Hex digest of the checkpoint file."""
    metadata: Mapping[str, str]
    """Notes found in the file."""
    settings_from: str
    """Where upsampler_alpha (and window_size) came from: for reports."""

    def without_attention(self) -> Model:
        """Return the same network with its window-attention branches removed (upstream's ``export_safe=True``)."""
        marks = (".attn.", ".attn_norm.", ".window_attn.", ".norm3.", ".scale3.")
        kept = {key: value for key, value in self.arrays.items() if not any(mark in key for mark in marks)}
        return replace(self, spec=replace(self.spec, attention=False), arrays=MappingProxyType(kept))


def bundled() -> tuple[str, ...]:
    """Return the names of the models that come with Paragon."""
    return tuple(
        sorted(entry.name.removesuffix(".safetensors") for entry in WEIGHTS.iterdir() if _is_weights(entry.name))
    )


def load(
    source: str | Path,
    *,
    upsampler_alpha: float | None = None,
    window_size: int | None = None,
) -> Model:
    """Load a boxed model by name or a checkpoint by path.

    ``upsampler_alpha`` (share of the softened input in the base path, 0 = none) and ``window_size`` (attention window
    in low-resolution pixels) are in no tensor, and a wrong value gives a plausible but wrong picture. They are taken
    from: this call, else the file's metadata, else the table of official files, else a name that contains "fidelity"
    (alpha 0), else upstream's factory default, with an `AssumptionWarning` that says so.

    Raises:
        InputError: ``source`` is neither a boxed model nor a path; a setting is out of range.
        CheckpointError: the file cannot be read, is not safe, or is not a ParagonSR2 network.

    """
    if str(source) in bundled():
        with resources.as_file(WEIGHTS / f"{source}.safetensors") as path:
            checkpoint = read_checkpoint(path)
    elif isinstance(source, str) and not Path(source).suffix and not os.path.exists(source):  # noqa: PTH110  (never raises)
        msg = f"there is no model or file named {source!r}"
        raise InputError(msg, hint=f"boxed models: {', '.join(bundled())}; or give the path of a checkpoint")
    else:
        checkpoint = read_checkpoint(source)
    return from_checkpoint(checkpoint, upsampler_alpha=upsampler_alpha, window_size=window_size)


def from_checkpoint(
    checkpoint: Checkpoint,
    *,
    upsampler_alpha: float | None = None,
    window_size: int | None = None,
) -> Model:
    """Recognise a checkpoint that is already in memory; arguments and errors as for `load`."""
    spec, arrays = detect(checkpoint.arrays)
    alpha, alpha_from = _alpha(checkpoint, spec, upsampler_alpha)
    window, window_from = _window(checkpoint, spec, window_size)
    for array in arrays.values():
        array.flags.writeable = False
    return Model(
        spec=replace(spec, upsampler_alpha=alpha, window_size=window),
        arrays=MappingProxyType(arrays),
        name=checkpoint.name,
        sha256=checkpoint.sha256,
        metadata=MappingProxyType(dict(checkpoint.metadata)),
        settings_from=f"upsampler_alpha: {alpha_from}" + (f"; window_size: {window_from}" if spec.attention else ""),
    )


def _alpha(checkpoint: Checkpoint, spec: ModelSpec, argument: float | None) -> tuple[float, str]:
    if argument is not None:
        return float(argument), "argument"
    if (noted := _noted(checkpoint, spec, "upsampler_alpha")) is not None:
        return noted, "file metadata"
    if (release := _release(checkpoint)) is not None:
        return release.upsampler_alpha, f"official release {release.name}"
    if "fidelity" in checkpoint.name.lower():
        return 0.0, 'file name contains "fidelity"'
    assumed = FACTORY_ALPHA[spec.variant]
    _warn(
        checkpoint, "upsampler_alpha", assumed, spec, "official models use 0; a wrong value softens or misplaces detail"
    )
    return assumed, "assumed factory default"


def _window(checkpoint: Checkpoint, spec: ModelSpec, argument: int | None) -> tuple[int, str]:
    if argument is not None:
        return int(argument), "argument"
    if spec.attention and (noted := _noted(checkpoint, spec, "window_size")) is not None:
        return int(noted), "file metadata"
    if (release := _release(checkpoint)) is not None:
        return release.window_size, f"official release {release.name}"
    if spec.attention:
        _warn(checkpoint, "window_size", FACTORY_WINDOW, spec, "a wrong value spoils the attention")
    return FACTORY_WINDOW, "assumed factory default"


def _release(checkpoint: Checkpoint) -> OfficialRelease | None:
    return next((release for release in OFFICIAL_RELEASES if release.sha256 == checkpoint.sha256), None)


def _noted(checkpoint: Checkpoint, spec: ModelSpec, key: str) -> float | None:
    text = checkpoint.metadata.get(key)
    if text is None:
        return None
    try:
        setting: dict[str, Any] = {key: int(text) if key == "window_size" else float(text)}
        replace(spec, **setting)  # knows what is out of range
    except ValueError as error:
        reason = str(error) if isinstance(error, InputError) else f"not a {'whole ' * (key == 'window_size')}number"
        msg = f"the file's metadata has {key}={text[:40]!r}: {reason}"
        raise UnsupportedArchitectureError(msg, hint=f"give {key} explicitly") from None
    return setting[key]  # type: ignore[no-any-return]


def _warn(checkpoint: Checkpoint, setting: str, value: float, spec: ModelSpec, consequence: str) -> None:
    text = (
        f"{checkpoint.name}: {setting} is not in the file; assumed {value:g}, the factory default of {spec.variant} "
        f"({consequence}). Give {setting} to be sure."
    )
    warnings.warn(text, AssumptionWarning, stacklevel=5)


def _is_weights(name: str) -> bool:
    return name.endswith(".safetensors")
