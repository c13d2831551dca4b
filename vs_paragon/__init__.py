"""ParagonSR2 in VapourSynth: ``core.paragon.Upscale(clip)``, or `upscale` for who likes an import line and types."""

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
