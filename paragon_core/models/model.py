"""A network ready for use: its spec, its arrays and where they came from."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from paragon_core.errors import AssumptionWarning, InputError, UnsupportedArchitectureError
from paragon_core.models import DEFAULT_MODEL
from paragon_core.models.checkpoint import Checkpoint, read_checkpoint
from paragon_core.models.detect import detect
from paragon_core.models.folders import find
from paragon_core.models.releases import OFFICIAL_RELEASES, release_of
from paragon_core.models.spec import FACTORY_ALPHA, FACTORY_WINDOW, ModelSpec
from paragon_core.printable import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import numpy.typing as npt

WEIGHTS: Final = resources.files("paragon_core") / "weights"

#: A longer text in the metadata is no setting, and might take long to convert.
_LONGEST_SETTING: Final = 40


@dataclass(frozen=True, kw_only=True, eq=False)
class Model:
    """A checkpoint that was recognised and checked."""

    spec: ModelSpec
    """The network's hyper-parameters, including the two that no tensor holds."""
    arrays: Mapping[str, npt.NDArray[np.float32]]
    """Read-only float32 arrays under upstream's v9/v11 keys."""
    name: str
    """Name to show: the bundled model's, or the file's without folder and extension."""
    sha256: str
    """Hex digest of the checkpoint file."""
    metadata: Mapping[str, str]
    """Notes found in the file."""
    settings_from: str
    """Where upsampler_alpha (and window_size) came from: for reports."""

    def __getstate__(self) -> dict[str, Any]:
        """Return what pickle and `copy.deepcopy` take: they cannot copy read-only views of dictionaries."""
        return vars(self) | {"arrays": dict(self.arrays), "metadata": dict(self.metadata)}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        """Restore it and make the arrays read-only again, which neither of the two does."""
        arrays = dict(state["arrays"])
        for array in arrays.values():
            array.flags.writeable = False
        metadata = MappingProxyType(dict(state["metadata"]))
        vars(self).update(state, arrays=MappingProxyType(arrays), metadata=metadata)

    def without_attention(self) -> Model:
        """Return the same network with its window-attention branches removed (upstream's ``export_safe=True``)."""
        marks = (".attn.", ".attn_norm.", ".window_attn.", ".norm3.", ".scale3.")
        kept = {key: value for key, value in self.arrays.items() if not any(mark in key for mark in marks)}
        return replace(self, spec=replace(self.spec, attention=False), arrays=MappingProxyType(kept))


def bundled() -> tuple[str, ...]:
    """Return the names of the models that come with Paragon: the default, then the others in alphabetical order."""
    names = [entry.name.removesuffix(".safetensors") for entry in WEIGHTS.iterdir() if _is_weights(entry.name)]
    return tuple(sorted(names, key=lambda name: (name != DEFAULT_MODEL, name)))


def load(
    source: str | Path,
    *,
    upsampler_alpha: float | None = None,
    window_size: int | None = None,
) -> Model:
    """Load a checkpoint by path, or a model by name.

    ``source`` means the first of these that fits: a file (a `Path`, text with a folder in it, or the name of a file
    that exists); a bundled model; a file without its extension in the user's folders (`folders.model_folders`, in
    their order).

    ``upsampler_alpha`` (share of the softened input in the base path, 0 = none) and ``window_size`` (attention window
    in low-resolution pixels) are in no tensor, and a wrong value gives a plausible but wrong image. They are taken
    from: this call, else the file's metadata, else the table of official files, else a name that contains "fidelity"
    (alpha 0), else upstream's factory default, with an `AssumptionWarning` that says so.

    Raises:
        InputError: ``source`` is neither a model's name nor a path; a setting is out of range.
        CheckpointError: the file cannot be read, is not safe, or is not a ParagonSR2 network.

    """
    if isinstance(source, Path) or os.path.dirname(source) or os.path.isfile(source):  # noqa: PTH113, PTH120  (never raise)
        checkpoint = read_checkpoint(source)
    elif source in bundled():
        with resources.as_file(WEIGHTS / f"{source}.safetensors") as path:
            checkpoint = read_checkpoint(path)
    elif found := find(source):
        checkpoint = read_checkpoint(found)
    elif Path(source).suffix:
        checkpoint = read_checkpoint(source)  # reports that it does not exist
    else:
        raise _unknown(source)
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


def _unknown(name: str) -> InputError:
    if any(release.name == name for release in OFFICIAL_RELEASES):
        hint = f"it is published by the network's author; to download it: paragon models pull {name}"
    else:
        hint = f"bundled models: {', '.join(bundled())}; paragon models lists yours; or give the path of a checkpoint"
    return InputError(f"there is no model or file named {name!r}", hint=hint)


def _alpha(checkpoint: Checkpoint, spec: ModelSpec, argument: float | None) -> tuple[float, str]:
    if argument is not None:
        return float(argument), "argument"
    if (noted := _noted(checkpoint, spec, "upsampler_alpha")) is not None:
        return noted, "file metadata"
    if (release := release_of(checkpoint.sha256)) is not None:
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
    if (release := release_of(checkpoint.sha256)) is not None:
        return release.window_size, f"official release {release.name}"
    if spec.attention:
        _warn(checkpoint, "window_size", FACTORY_WINDOW, spec, "a wrong value spoils the attention")
    return FACTORY_WINDOW, "assumed factory default"


def _noted(checkpoint: Checkpoint, spec: ModelSpec, key: str) -> float | None:
    text = checkpoint.metadata.get(key)
    if text is None:
        return None
    short = text if len(text) <= _LONGEST_SETTING else ""  # which is no number
    try:
        setting: dict[str, Any] = {key: int(short) if key == "window_size" else float(short)}
        replace(spec, **setting)  # knows what is out of range
    except ValueError as error:
        reason = str(error) if isinstance(error, InputError) else f"not a {'whole ' * (key == 'window_size')}number"
        msg = f"the file's metadata has {key}={text[:_LONGEST_SETTING]!r}: {reason}"
        raise UnsupportedArchitectureError(msg, hint=f"give {key} explicitly") from None
    return setting[key]  # type: ignore[no-any-return]


def _warn(checkpoint: Checkpoint, setting: str, value: float, spec: ModelSpec, consequence: str) -> None:
    text = (
        f"{printable(checkpoint.name)}: {setting} is not in the file; assumed {value:g}, the factory default of "
        f"{spec.variant} ({consequence}). Give {setting} to be sure."
    )
    warnings.warn(text, AssumptionWarning, stacklevel=5)


def _is_weights(name: str) -> bool:
    return name.endswith(".safetensors")
