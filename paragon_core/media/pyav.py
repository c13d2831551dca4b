"""PyAV, which is optional: FFmpeg's decoders, encoders and containers."""

from __future__ import annotations

from typing import Any

from paragon_core.errors import BackendUnavailableError

_HINT = 'pip install "paragon-sr[video]", or pip install av'


def pyav(*encoders: str) -> Any:  # noqa: ANN401  (PyAV is optional, and imported late)
    """Return the package ``av``.

    Args:
        encoders: names of what it shall be able to encode with, as FFmpeg has them.

    Raises:
        BackendUnavailableError: it is not installed, or comes without one of the encoders.

    """
    try:
        import av  # noqa: PLC0415 - optional
    except ImportError as error:
        msg = "reading and writing video needs PyAV"
        raise BackendUnavailableError(msg, hint=_HINT) from error
    for encoder in encoders:
        if encoder not in av.codecs_available:
            msg = f"PyAV {av.__version__} comes without {encoder} here"
            raise BackendUnavailableError(msg, hint="install the newest wheel from PyPI: pip install --upgrade av")
    return av
