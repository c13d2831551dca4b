"""The upscalers of one job or many: of the model that suits each source, opened when it is first needed."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Self

from paragon_core.cores import usable_cores
from paragon_core.upscaling.model_choice import scale_for
from paragon_core.upscaling.upscaler import Upscaler

if TYPE_CHECKING:
    from collections.abc import Mapping

    from paragon_core.media.video.encoding import VideoEncoding
    from paragon_core.media.video.opening import Source
    from paragon_core.models.model import Model
    from paragon_core.upscaling.options import UpscaleOptions
    from paragon_core.upscaling.output_size import OutputSize, Size

#: Frames of a video in the network at once, at most: each of them takes memory.
_MOST_FRAMES: Final = 4


class Upscalers:
    """Upscalers by the scale of their models; a context manager, at whose end they are closed."""

    def __init__(self, models: Mapping[int, Model], size: OutputSize | None, options: UpscaleOptions) -> None:
        """Open nothing yet.

        Args:
            models: by their scales, from `suitable_models`.
            size: the size that results shall have; None for the model's scale.
            options: how images are upscaled; frames of videos several at once, and not clipped before they are encoded.

        """
        self._models = models
        self._size = size
        self._options = options
        self._open: dict[tuple[int, bool], Upscaler] = {}
        self._closing = ExitStack()

    def __enter__(self) -> Self:
        """Return the upscalers themselves."""
        return self

    def __exit__(self, *error: object) -> None:
        """Close those that were opened."""
        self._closing.close()

    def of(self, scale: int, *, for_frames: bool) -> Upscaler:
        """Return the upscaler of a scale; raises what opening an `Upscaler` does."""
        key = scale, for_frames
        if key not in self._open:
            options = self._options
            if for_frames:
                options = replace(options, concurrency=min(usable_cores(), _MOST_FRAMES), clip=False)
            self._open[key] = self._closing.enter_context(Upscaler(self._models[scale], options))
        return self._open[key]

    def for_image(self, source: Size, size: OutputSize | None) -> Upscaler:
        """Return the upscaler for an image of a width and height; raises what `scale_for` and `of` do."""
        return self.of(scale_for(source, size, self._models), for_frames=False)

    def for_video(self, source: Source, encoding: VideoEncoding, *, keep_damaged: bool) -> Upscaler:
        """Return the upscaler for a video; raises what `scale_for_video` and `of` do."""
        from paragon_core.media.video.model_choice import scale_for_video  # noqa: PLC0415 - images do without it

        scale = scale_for_video(source, encoding, self._size, self._models, keep_damaged=keep_damaged)
        return self.of(scale, for_frames=True)
