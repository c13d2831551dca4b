"""ParagonSR2 in VapourSynth: ``core.paragon.Upscale(clip)``, or `upscale` with an import line and types.

``vs_paragon.Scaler`` is the same for vs-jetpack, which is imported only when it is used (`scaler`).
"""

from typing import Any

from paragon_core.errors import BackendUnavailableError as _BackendUnavailableError

try:
    import vsutil as _vsutil  # noqa: F401 - what all modules here build on, and what an older installation lacks
except ModuleNotFoundError:
    # The plugin shows the message alone, so the pip line is in it.
    raise _BackendUnavailableError("vsutil is not installed: pip install 'paragon-sr[vapoursynth]'") from None

from vs_paragon.fallback import install as _install
from vs_paragon.upscale import upscale

__all__ = ["upscale"]

_install()


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any name may be asked for
    """Import `scaler.Scaler` when it is first asked for."""
    if name == "Scaler":
        from vs_paragon.scaler import Scaler  # noqa: PLC0415 - needs vs-jetpack

        return Scaler
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
