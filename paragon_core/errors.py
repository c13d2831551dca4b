"""Every error that Paragon raises on purpose.

::

    ParagonError
    ├── CheckpointError
    │   ├── UnreadableCheckpointError     (OSError)
    │   ├── UnsafeCheckpointError
    │   ├── UnsupportedArchitectureError  (.missing, .unexpected)
    │   └── WeightError
    ├── BackendError
    │   ├── BackendUnavailableError       (ImportError)
    │   ├── EngineError
    │   │   ├── EngineBuildError
    │   │   ├── EngineCacheError
    │   │   └── EngineRefusedError
    │   ├── InferenceError
    │   │   └── NonFiniteError
    │   └── OutOfMemoryError              (MemoryError)
    ├── InputError                        (ValueError)
    │   ├── UnsupportedFormatError
    │   └── UnsupportedSizeError
    ├── DownloadError
    └── JobError
        └── MediaError

Each one carries ``hint``, a sentence that says what to do about it, and survives pickling.
Python's own errors are bases where callers already catch them by that name.
"""

from __future__ import annotations


class ParagonError(Exception):
    """Base of all errors below: ``str(error)`` says what is wrong, ``error.hint`` how to fix it."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def as_lines(error: ParagonError) -> str:
    """Return what a script prints about an error: a line for it, and one for its hint if it has one."""
    return f"error: {error}\n" + (f"hint: {error.hint}\n" if error.hint else "")


class CheckpointError(ParagonError):
    """A weights file cannot be used."""


class UnreadableCheckpointError(CheckpointError, OSError):
    """The file is missing, truncated, or not a weights file at all."""


class UnsafeCheckpointError(CheckpointError):
    """A pickled file asks for more than tensors; nothing in it was executed."""


class UnsupportedArchitectureError(CheckpointError):
    """The tensors are not those of a ParagonSR2 network that Paragon knows."""

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        missing: tuple[str, ...] = (),
        unexpected: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message, hint=hint)
        self.missing = missing
        self.unexpected = unexpected


class WeightError(CheckpointError):
    """A tensor has the wrong shape, is not finite, or changes a kernel that is fixed by design."""


class BackendError(ParagonError):
    """A runtime cannot do what it was asked for."""


class BackendUnavailableError(BackendError, ImportError):
    """The runtime is not installed or does not work here; the hint holds the line that installs it."""


class EngineError(BackendError):
    """A compiled engine cannot be had; another backend may do without."""


class EngineBuildError(EngineError):
    """The compiler refused the graph or the sizes, or failed."""


class EngineCacheError(EngineError):
    """The folder of the engines cannot be used, or must not be because others may write there."""


class EngineRefusedError(EngineError):
    """The runtime does not load an engine: it is for another GPU, driver or version."""


class InferenceError(BackendError):
    """The runtime refused the graph or failed while running it."""


class NonFiniteError(InferenceError):
    """The output has NaN or infinity: values left the range of the precision, or the weights are damaged."""


class OutOfMemoryError(BackendError, MemoryError):
    """An image, even in the smallest tiles, or a file needs more memory than there is."""


class InputError(ParagonError, ValueError):
    """An argument or an image is not what the call takes."""


class UnsupportedFormatError(InputError):
    """An image has a data type, a channel count or a file format that is not supported."""


class UnsupportedSizeError(InputError):
    """An image is too small, too large or empty."""


class DownloadError(ParagonError):
    """A file cannot be downloaded, or what arrived is not the file that was asked for."""


class JobError(ParagonError):
    """A job over files could not be carried out."""


class MediaError(JobError):
    """An image file cannot be read or written."""


class AssumptionWarning(UserWarning):
    """A setting that the checkpoint does not hold was assumed; the text says which value and why."""
