"""`Scaler`: the network as one of vs-jetpack's scalers, for `Rescale` and whatever else takes one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from paragon_core.errors import BackendUnavailableError
from vs_paragon.upscale import upscale

try:
    from vsscale.generic import BaseGenericScaler
except ImportError as error:
    raise BackendUnavailableError(
        f"vs_paragon.Scaler needs vs-jetpack: {error}", hint="pip install 'paragon-sr[vs-jetpack]'"
    ) from error

if TYPE_CHECKING:
    from pathlib import Path

    import vapoursynth as vs


class Scaler(BaseGenericScaler):
    """Upscales with a ParagonSR2 network, as often as the wanted size needs; the rest is done by a kernel."""

    _static_kernel_radius = 2  # what vs-jetpack's own networks say; nothing is padded by it

    def __init__(self, model: str | Path | None = None, **options: Any) -> None:  # noqa: ANN401 - of two functions
        """Choose the network.

        Args:
            model: name of a bundled model, or path of a checkpoint; by default realtime-2x.
            options: the other arguments of `vs_paragon.upscale`, such as ``backend`` or ``padding``; and ``kernel``,
                ``scaler`` and ``shifter`` as of every `vsscale.BaseGenericScaler`.

        """
        self.model = model
        super().__init__(**options)

    def scale(
        self,
        clip: vs.VideoNode,
        width: int | None = None,
        height: int | None = None,
        shift: tuple[float, float] = (0, 0),
        **options: Any,  # noqa: ANN401 - of another function
    ) -> vs.VideoNode:
        """Return a clip in a size; where that is no larger along either axis, the network is not used.

        Args:
            clip: what `vs_paragon.upscale` takes.
            width: of the result; by default that of the clip.
            height: of the result; by default that of the clip.
            shift: pixels of the result, vertical and horizontal, by which it is shifted.
            options: arguments of `vs_paragon.upscale`, which win over those of the scaler.

        Raises:
            vapoursynth.Error: "paragon.Upscale: <what> (<hint>)" for anything that cannot be done.

        """
        width, height = self._wh_norm(clip, width, height)
        result = clip
        while result.width < width or result.height < height:
            result = upscale(result, self.model, **(self.kwargs | options))
        finished: vs.VideoNode = self._finish_scale(result, clip, width, height, shift)
        return finished
