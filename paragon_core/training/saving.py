"""Files of a training run: weights that describe themselves, and a state to continue from."""

from __future__ import annotations

import io
import json
from dataclasses import MISSING, asdict, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors.numpy import save

from paragon_core.atomic_files import atomic_write
from paragon_core.errors import InputError, UnreadableCheckpointError
from paragon_core.training.options import RENAMED_FIELDS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy.typing as npt
    from _typeshed import DataclassInstance

    from paragon_core.models.spec import ModelSpec
    from paragon_core.training.validation import TrainingProgress

Arrays = dict[str, "npt.NDArray[np.float32]"]


def save_weights(
    path: Path,
    arrays: Mapping[str, npt.NDArray[np.floating]],
    spec: ModelSpec,
    progress: TrainingProgress,
    notes: Mapping[str, str] | None = None,
) -> None:
    """Write a checkpoint that upstream's trainer loads, with metadata that describes it."""
    metadata = {
        **(notes or {}),
        **description(spec),
        "steps": str(progress.step),
        "scores": json.dumps({name: asdict(score) for name, score in progress.scores.items()}),
    }
    save_arrays(path, arrays, metadata)


def description(spec: ModelSpec) -> dict[str, str]:
    """Return what a checkpoint has to say of its network, among it what is in no tensor."""
    return {
        "variant": spec.variant,
        "revision": spec.revision,
        "scale": str(spec.scale),
        "upsampler_alpha": str(spec.upsampler_alpha),
        "window_size": str(spec.window_size),
    }


def save_arrays(path: Path, arrays: Mapping[str, npt.NDArray[np.floating]], metadata: Mapping[str, str]) -> None:
    """Write a checkpoint with any notes."""
    stored = {key: np.array(array, np.float32, order="C") for key, array in arrays.items()}
    with atomic_write(path) as stream:
        stream.write(save(stored, dict(metadata)))


def save_state(path: Path, state: Mapping[str, Any]) -> None:
    """Write what `read_state` returns: numbers, text, and tensors, in dictionaries and lists."""
    content = io.BytesIO()  # torch would make an error of its own out of one of the disk
    torch.save(dict(state), content)
    with atomic_write(path) as stream:
        stream.write(content.getvalue())


def read_state(path: Path) -> dict[str, Any]:
    """Read what `save_state` wrote, on whatever device: all tensors come back to the processor.

    Raises:
        UnreadableCheckpointError: if the file is damaged, or holds anything but numbers, text and tensors.

    """
    if path.exists() and not path.is_file():  # reading a pipe would never end
        msg = f"{path} cannot be read: it is not a file"
        raise UnreadableCheckpointError(msg, hint="remove it to start again, or train in another folder")
    try:
        state: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
    except Exception as error:  # torch raises whatever the damage leads to
        msg = f"{path} cannot be read: {error}"
        raise UnreadableCheckpointError(msg, hint="remove it to start again, or train in another folder") from error
    return state


def to_text(settings: DataclassInstance) -> str:
    """Return settings as a state holds them, for `refuse_other`."""
    return json.dumps(asdict(settings))


def refuse_other(name: str, saved: str, own: DataclassInstance) -> None:
    """Make sure that a saved run has these settings.

    Settings that did not exist yet when it was saved had the meaning of their defaults; renamed ones are found under
    their old names.

    Args:
        name: what the settings are called, for the message.
        saved: what `to_text` returned when the run was saved.
        own: those of this run.

    Raises:
        InputError: if one of them differs.

    """
    defaults = {field.name: field.default for field in fields(own) if field.default is not MISSING}
    settings = {RENAMED_FIELDS.get(key, key): value for key, value in json.loads(saved).items()}
    if defaults | settings != json.loads(to_text(own)):
        msg = f"the saved run has another {name}: {saved}"
        raise InputError(msg, hint="continue it with the same ones, or train in another folder")
