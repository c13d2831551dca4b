"""Frames that Pillow's encoders of animations ask for one by one; a list would hold all of them in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Iterator

    from paragon_core.media.loaded_image import Array


class FrameSequence(Image.Image):
    """An image of several frames, each of which is made when it is asked for, in their order."""

    def __init__(self, frames: Iterator[Array], count: int) -> None:
        """Make the first frame.

        Args:
            frames: HxW, HxWx2, HxWx3 or HxWx4 uint8, all of one size.
            count: number of frames.

        """
        super().__init__()
        self._frames = frames
        self._position = -1
        self.n_frames = count
        self.is_animated = count > 1
        self.seek(0)

    def seek(self, frame: int) -> None:
        """Make the next frame; going back is ignored, which encoders do when they are done.

        Raises:
            EOFError: there is no such frame.

        """
        if frame >= self.n_frames:
            msg = "no more frames"
            raise EOFError(msg)
        if frame == self._position + 1:
            image = Image.fromarray(next(self._frames))
            self._mode, self._size, self.im = image.mode, image.size, image.im
            self._position = frame

    def tell(self) -> int:
        """Return the number of the current frame."""
        return self._position
