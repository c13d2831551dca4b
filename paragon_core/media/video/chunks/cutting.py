"""Which chunk each frame belongs to, and what is known of a chunk at its end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from paragon_core.media.video.decoding import DecodingFacts
from paragon_core.media.video.frames import digest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from av import VideoFrame

    from paragon_core.media.video.chunks.plan import Chunk


@dataclass(frozen=True, kw_only=True)
class ChunkEnd:
    """A chunk has had its last frame."""

    chunk: Chunk
    """The chunk."""
    before: str
    """Digest of the source's frame before it; empty where there is none."""
    last: str
    """Digest of the last of the source's frames in it; that before it where it has none."""
    decoding: DecodingFacts
    """What decoding found in its frames."""


class Cutter:
    """Tells which chunk each frame of a video belongs to; frames come in their order."""

    def __init__(self, chunks: Sequence[Chunk], *, by_time: bool) -> None:
        """Begin before the first frame, and with the first of neighbouring chunks."""
        self._following = list(reversed(chunks))
        self.chunk = self._following.pop()
        """The chunk that frames belong to now."""
        self.frames = 0
        """Its frames so far."""
        self.before = ""
        """Digest of the frame before it."""
        self.position = -1
        """Position of the frame that was looked at last."""
        self._first = self.chunk.first
        self._warm = self.chunk.warm
        self._began = False
        self._by_time = by_time
        self._decoded = DecodingFacts()
        self._newest: VideoFrame | None = None

    @property
    def newest_time(self) -> int | None:
        """Time stamp of the frame before the next one; None where there is none."""
        return None if self._newest is None else self._newest.pts

    @property
    def is_complete(self) -> bool:
        """Whether the frame that was looked at last comes after the chunk."""
        return self.chunk.end is not None and self.position >= self.chunk.end

    @property
    def is_warm(self) -> bool:
        """Whether the first chunk is smoothed with the frame that was looked at last, which comes before it."""
        return self._warm is not None and self.position >= self._warm

    def is_early(self, frame: VideoFrame) -> bool:
        """Look at the next frame; return whether it comes before the first chunk."""
        self.position = int(frame.pts or 0) if self._by_time else self.position + 1
        early = self._first is not None and self.position < self._first
        if early:
            self._newest = frame
        return early

    def begin(self, facts: DecodingFacts) -> bool:
        """Note before the first frame what decoding found in those that do not count; return whether it was that."""
        begins, self._began = not self._began, True
        if begins and self.chunk.number:
            self._decoded, self.before = facts, self._digest()
        return begins

    def add(self, frame: VideoFrame) -> None:
        """Count the frame that was looked at for the chunk."""
        self.frames += 1
        self._newest = frame

    def end(self, facts: DecodingFacts) -> ChunkEnd:
        """Return what is known of the chunk."""
        last = self._digest() if self.frames else self.before
        end = ChunkEnd(chunk=self.chunk, before=self.before, last=last, decoding=facts.since(self._decoded))
        self.before, self._decoded, self.frames = last, facts, 0
        return end

    def go_on(self) -> bool:
        """Go on with the next chunk; return whether there is one."""
        if not self._following:
            return False
        self.chunk = self._following.pop()
        return True

    def _digest(self) -> str:
        return "" if self._newest is None else digest(self._newest)
