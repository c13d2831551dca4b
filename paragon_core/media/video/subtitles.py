"""Subtitles as another container's kind of text."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

from paragon_core.media.pyav import pyav

if TYPE_CHECKING:
    from collections.abc import Iterator

    from av import Packet
    from av.subtitles.stream import SubtitleStream
    from av.subtitles.subtitle import SubtitleSet

#: Subtitles that are text, which can be converted.
TEXT: Final = frozenset({"ass", "mov_text", "ssa", "subrip", "text", "webvtt"})
TEXT_KIND: Final = {"matroska": "srt", "mov": "mov_text", "mp4": "mov_text", "webm": "webvtt"}

#: Thousandths of a second for which a line is shown that does not say it.
_USUAL: Final = 3000

_MILLISECOND: Final = Fraction(1, 1000)


class TextConverter:
    """Decodes the packets of a stream of text and encodes them as another kind.

    MP4 shows one line at a time: there, a line ends where the next begins, and lines that begin at once become one.
    """

    def __init__(self, stream: SubtitleStream, target: SubtitleStream, *, one_at_a_time: bool) -> None:
        """Begin with a stream and that of the new container."""
        self.shortened = 0
        self._target = target
        self._one_at_a_time = one_at_a_time
        self._decoder = stream.codec_context
        self._decoder.open()
        self._waiting: tuple[int, int, SubtitleSet] | None = None
        encoder = target.codec_context
        encoder.subtitle_header, encoder.time_base = self._decoder.subtitle_header, _MILLISECOND

    def __call__(self, packet: Packet[Any] | None) -> Iterator[Packet[Any]]:
        """Yield what a packet becomes; None is the end."""
        if packet is None:
            yield from self._written(None)
            return
        av = pyav()
        try:
            text = self._decoder.decode2(packet)
        except (av.error.FFmpegError, ValueError):
            return
        if text is None or packet.pts is None:
            return
        unit = Fraction(packet.time_base) / _MILLISECOND
        start = round(packet.pts * unit)
        length = round((packet.duration or 0) * unit) or getattr(text, "end_display_time", 0) or _USUAL
        if self._one_at_a_time:
            yield from self._written((start, start + length, text))
        else:
            yield self._encoded(start, start + length, text)

    def _written(self, line: tuple[int, int, SubtitleSet] | None) -> Iterator[Packet[Any]]:
        """Yield the line that waits, once it is known when the next begins."""
        if self._waiting is not None:
            start, end, text = self._waiting
            if line is not None and line[0] <= start:
                self._waiting = start, max(end, line[1]), _together(text, line[2])
                return
            if line is not None and line[0] < end:
                self.shortened += 1
                end = line[0]
            yield self._encoded(start, end, text)
        self._waiting = line

    def _encoded(self, start: int, end: int, text: SubtitleSet) -> Packet[Any]:
        result = self._target.codec_context.encode_subtitle(text)
        result.stream, result.time_base = self._target, _MILLISECOND
        result.pts = result.dts = start
        result.duration = end - start
        return result


def _together(first: SubtitleSet, second: SubtitleSet) -> SubtitleSet:
    """Return two lines as one; older PyAV cannot, and keeps the first."""
    create = getattr(type(first), "create", None)
    lines = [rectangle.ass for text in (first, second) for rectangle in text.rects if hasattr(rectangle, "ass")]
    if create is None or not lines:
        return first
    # ReadOrder, Layer, Style, Name, three margins and Effect stand before the text.
    texts = [line.split(b",", 8)[-1].rstrip(b"\0\r\n") for line in lines]
    head = lines[0].split(b",", 8)[:-1]
    together: SubtitleSet = create(
        b",".join([*head, b"\\N".join(texts)]), first.start_display_time, first.end_display_time
    )
    return together
