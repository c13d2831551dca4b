"""Recognise a ParagonSR2 network in a state dict of torch, and find the settings that no tensor holds.

A state dict has lost its file's name and metadata. So its settings are those of a file with the same weights, as
`paragon_core.load` decides: an official release, a bundled model, or a file in the user's folders or further ones.
"""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import safetensors.numpy
import torch

from paragon_core.errors import AssumptionWarning, CheckpointError, ParagonError, WeightError
from paragon_core.models.catalogue import foreign
from paragon_core.models.checkpoint import Checkpoint, named_plainly, refuse_giants, unwrapped
from paragon_core.models.detect import detect, recognise
from paragon_core.models.folders import checkpoint_files, model_folders
from paragon_core.models.model import Model, bundled, from_checkpoint, load
from paragon_core.models.releases import release_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    import numpy.typing as npt

    from paragon_core.models.spec import ModelSpec

_FLOATS: Final = (torch.float32, torch.float16, torch.bfloat16, torch.float64)
_WIDE: Final = 4
_NAME: Final = "state dict"


def is_paragon(content: object) -> bool:
    """Return whether a state dict is a ParagonSR2 network's, damaged ones included; it may be anything.

    Names, shapes and types decide, no value is read, and no more is done than the largest network takes.
    """
    try:
        recognise(_shapes(_tensors(content)))
    except WeightError:
        return True
    except ParagonError:
        return False
    return True


def under_own_names(content: object) -> tuple[ModelSpec, dict[str, torch.Tensor]]:
    """Return a network's spec and its tensors under upstream's v9 names; v6 files lack two fixed kernels.

    Raises:
        CheckpointError: it is no ParagonSR2 network, or a tensor has another shape or type than such a network's.

    """
    tensors = _tensors(content)
    spec, renamed = recognise(_shapes(tensors))
    return spec, dict(zip(renamed, tensors.values(), strict=True))


def model_of(content: object, files: Iterable[Path] = ()) -> Model:
    """Return the model of a state dict.

    Args:
        content: tensors by name, possibly inside the dictionaries that trainers save.
        files: checkpoints that may be where it comes from, besides those that Paragon knows.

    Raises:
        CheckpointError: it is no ParagonSR2 network, or its weights are damaged.

    """
    tensors = _tensors(content)
    recognise(_shapes(tensors))
    arrays = {key: _array(tensor) for key, tensor in tensors.items()}
    spec, weights = detect(arrays)
    stored = {key: tensor.dtype for key, tensor in tensors.items()}
    as_file = "" if torch.bfloat16 in stored.values() else hashlib.sha256(safetensors.numpy.save(arrays)).hexdigest()
    origin = _Origin(name=_NAME, metadata=(), sha256=as_file, weights=_digest(weights))
    release = release_of(as_file)
    origin = replace(origin, name=release.name) if release else _origin(origin, spec, files)
    return from_checkpoint(
        Checkpoint(arrays=dict(arrays), metadata=dict(origin.metadata), sha256=origin.sha256, name=origin.name)
    )


@dataclass(frozen=True, kw_only=True)
class _Origin:
    """The facts about a file that decide the settings of its network."""

    name: str
    """Its name without folder and suffix."""
    metadata: tuple[tuple[str, str], ...]
    """Its notes."""
    sha256: str
    """Hex digest of its bytes."""
    weights: str
    """Hex digest of the network's tensors, whatever the file's format."""
    settings: tuple[float, int] = (0.0, 0)
    """upsampler_alpha and window_size, as `load` decides them."""
    assumed: int = 0
    """Number of these that are only assumed."""


def _origin(unknown: _Origin, spec: ModelSpec, files: Iterable[Path]) -> _Origin:
    """Return the file with these weights that assumes the fewest settings; ``unknown`` if there is none."""
    twins = [each for each in _known(files) if each.weights == unknown.weights]
    if not twins:
        return unknown
    best = min(twins, key=lambda each: each.assumed)
    others = {each.settings for each in twins if not each.assumed} - {best.settings}
    if others and (spec.attention or len({alpha for alpha, _ in (*others, best.settings)}) > 1):
        warnings.warn(
            f"several files hold the weights of {best.name} with different settings; upsampler_alpha is taken to be "
            f"{best.settings[0]:g}. Load the file itself with Paragon to be sure.",
            AssumptionWarning,
            stacklevel=2,
        )
    return best


def _known(files: Iterable[Path]) -> Iterator[_Origin]:
    """Yield the facts about all known ParagonSR2 files; of other networks only the table is read."""
    for name in bundled():
        yield _origin_of_bundled(name)
    for path in (*_files_of_user(), *files):
        try:
            status = path.stat()
        except OSError:
            continue
        if found := _origin_of_file(path, status.st_mtime_ns, status.st_size):
            yield found


def _files_of_user() -> Iterator[Path]:
    for folder in model_folders():
        try:
            yield from checkpoint_files(folder)
        except OSError:
            continue


@lru_cache(maxsize=64)
def _origin_of_bundled(name: str) -> _Origin:
    return _facts(load(name))


@lru_cache(maxsize=1024)
def _origin_of_file(path: Path, changed: int, size: int) -> _Origin | None:
    """Return the facts about a file; the other arguments are a key that changes with the file."""
    del changed, size
    if foreign(path):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AssumptionWarning)
            return _facts(load(path))
    except ParagonError:
        return None


def _facts(model: Model) -> _Origin:
    return _Origin(
        name=model.name,
        metadata=tuple(model.metadata.items()),
        sha256=model.sha256,
        weights=_digest(model.arrays),
        settings=(model.spec.upsampler_alpha, model.spec.window_size),
        assumed=model.settings_from.count("assumed"),
    )


def _digest(arrays: Mapping[str, npt.NDArray[Any]]) -> str:
    digest = hashlib.sha256()
    for key, array in arrays.items():
        digest.update(key.encode() + b"\0" + np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _tensors(content: object) -> dict[str, torch.Tensor]:
    """Return the tensors in a state dict under their plain names, unless there are more than any network has.

    Raises:
        CheckpointError: there are none, or too many or too large ones.

    """
    found = {
        key: value
        for key, value in unwrapped(content).items()
        if isinstance(key, str) and isinstance(value, torch.Tensor)
    }
    refuse_giants({key: value.numel() * _WIDE for key, value in found.items()})
    return named_plainly(found)


def _shapes(tensors: Mapping[str, torch.Tensor]) -> dict[str, npt.NDArray[Any]]:
    """Return arrays of these shapes and kinds that take no memory."""
    found = {}
    for key, tensor in tensors.items():
        usable = tensor.dtype in _FLOATS and tensor.layout == torch.strided and not tensor.is_meta
        try:
            found[key] = np.broadcast_to(np.float32(0) if usable else np.int8(0), tuple(tensor.shape))
        except ValueError as error:  # more dimensions than NumPy has
            raise CheckpointError(f"a tensor has an impossible shape ({error})", hint="use another file") from None
    return found


def _array(tensor: torch.Tensor) -> npt.NDArray[Any]:
    values = tensor.detach().cpu()
    return (values.float() if values.dtype == torch.bfloat16 else values).contiguous().numpy()
