"""What a script's author reads when something went wrong: one sentence and a remedy, never a traceback."""

from __future__ import annotations

import logging

import vapoursynth as vs

from paragon_core.errors import ParagonError

PREFIX = "paragon.Upscale: "

_log = logging.getLogger(__name__)


def describe(error: Exception) -> str:
    """Return `paragon.Upscale: <what> (<hint>)` for an error.

    An unexpected error is named with its type; its traceback goes to the log of this module, at level debug.
    """
    if isinstance(error, ParagonError):
        hint = error.hint.removesuffix(".")
        text = f"{error} ({hint})" if hint else str(error)
    elif isinstance(error, vs.Error):
        text = str(error)
    else:
        _log.debug("Not foreseen", exc_info=error)
        text = f"{type(error).__name__}: {error} (Paragon did not foresee this; please report it)"
    return PREFIX + text.removeprefix(PREFIX)
