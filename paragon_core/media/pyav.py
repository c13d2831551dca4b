"""PyAV: FFmpeg's decoders, encoders and containers. It is imported late, because it takes time to load."""

from __future__ import annotations

from typing import TYPE_CHECKING

from paragon_core.errors import BackendUnavailableError, OutOfMemoryError
from paragon_core.low_memory import HINT, is_low_memory

if TYPE_CHECKING:
    from types import ModuleType

_HINT = "pip install av"


def pyav(*encoders: str) -> ModuleType:
    """Return the package ``av``.

    Args:
        encoders: names of what it shall be able to encode with, as FFmpeg has them.

    Raises:
        BackendUnavailableError: it is not installed, does not load, or comes without one of the encoders.
        OutOfMemoryError: there is not enough memory to load it.

    """
    try:
        import av  # noqa: PLC0415 - it takes time to load
    except ModuleNotFoundError as error:
        msg = "reading and writing video needs PyAV"
        raise BackendUnavailableError(msg, hint=_HINT) from error
    except ImportError as error:  # it is there
        if is_low_memory(error):
            msg = "there is not enough memory to load PyAV"
            raise OutOfMemoryError(msg, hint=HINT) from error
        msg = f"PyAV does not load ({' '.join(str(error).split())})"
        raise BackendUnavailableError(msg, hint="install it again: pip install --force-reinstall av") from error
    for encoder in encoders:
        if encoder not in av.codecs_available:
            msg = f"PyAV {av.__version__} comes without {encoder} here"
            raise BackendUnavailableError(msg, hint="install the newest wheel from PyPI: pip install --upgrade av")
    return av
