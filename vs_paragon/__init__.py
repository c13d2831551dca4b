"""ParagonSR2 in VapourSynth: ``core.paragon.Upscale(clip)``, or `upscale` for who likes an import line and types."""

from vs_paragon.fallback import install as _install
from vs_paragon.upscale import upscale

__all__ = ["upscale"]

_install()
