"""Which of several models upscales a video."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from paragon_core.media.video.frame_size import frame_size
from paragon_core.media.video.jobs import look_ahead_at_scales
from paragon_core.media.video.y4m import Y4mInput

if TYPE_CHECKING:
    from collections.abc import Mapping

    from paragon_core.media.video.encoding import VideoEncoding
    from paragon_core.media.video.opening import Source
    from paragon_core.models.model import Model
    from paragon_core.upscaling.output_size import OutputSize


def scale_for_video(
    source: Source,
    encoding: VideoEncoding,
    size: OutputSize | None,
    models: Mapping[int, Model],
    *,
    keep_damaged: bool = False,
) -> int:
    """Return the scale of the model that suits a video best; raises what `look_ahead_at_scales` does.

    Args:
        source: the video; where there is a choice, it is opened once, and its first frame decoded.
        encoding: what the result is encoded with.
        size: the size that frames shall have.
        models: from `paragon_core.upscaling.model_choice.suitable_models`.
        keep_damaged: whether the video may be truncated.

    """
    if size is None or len(models) == 1:
        return next(iter(models))
    if isinstance(source, Y4mInput):  # which can be read once only
        header = source.header
        frame, aspect = (header.width, header.height), header.aspect or Fraction(1)
        runs = {scale: frame_size(frame, aspect, size, scale=scale, even=False).runs for scale in models}
    else:
        found = look_ahead_at_scales(source, encoding, scales=models, size=size, keep_damaged=keep_damaged)
        runs = {scale: each.runs for scale, each in found.items()}
    return min(models, key=lambda scale: (scale ** runs[scale], runs[scale]))
