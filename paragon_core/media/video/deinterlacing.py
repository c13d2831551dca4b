"""Interlaced video: two fields of half the lines in each frame, and the whole frames that are made of them."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

from paragon_core.errors import BackendUnavailableError, InputError
from paragon_core.media.pyav import pyav
from paragon_core.media.video.formats import DEINTERLACE, Deinterlace
from paragon_core.media.video.frames import planar_format

if TYPE_CHECKING:
    from collections.abc import Iterator

    from av import VideoFrame, VideoStream

#: FFmpeg's filters, the better one first; both take the same options.
_FILTERS: Final = ("bwdif", "yadif")

#: Formats with a plane for each component that the filters do not take as they are.
_NOT_TAKEN: Final = frozenset({"yuvj411p", *(f"gray{bits}" for bits in (9, 10, 12, 14)), "yuv440p10", "yuv440p12"})

#: Codecs whose decoders tell of each frame whether it is interlaced; for others, what the container says counts.
_TELL_FRAMES: Final = frozenset(
    (
        *("cavs", "dvvideo", "dnxhd", "h264", "hevc", "mpeg1video", "mpeg2video", "mpeg4", "msmpeg4v3", "prores"),
        *("rawvideo", "vc1", "vvc", "wmv3"),
    )
)

#: Field orders as FFmpeg counts, by the field that is shown first: coded and shown first, or only shown first.
_TOP_FIRST: Final = frozenset({2, 4})
_BOTTOM_FIRST: Final = frozenset({3, 5})


def check_deinterlace(mode: str) -> None:
    """Check a way to deinterlace.

    Raises:
        InputError: it is none of `DEINTERLACE`.

    """
    if mode not in DEINTERLACE:
        raise InputError(f"{mode!r} is no way to deinterlace", hint=f"choose from {', '.join(DEINTERLACE)}")


class Deinterlacer:
    """Makes progressive frames of the frames of one stream, given in order of display.

    In ``auto``, only frames that say they are interlaced are changed, and all others pass as they are; the filter does
    not even begin before the first one. ``bob`` takes every frame for interlaced and makes two of it.
    """

    def __init__(self, stream: VideoStream, mode: Deinterlace) -> None:
        """Begin before the first frame.

        Args:
            stream: PyAV's.
            mode: what is done.

        Raises:
            BackendUnavailableError: this FFmpeg has no filter for it; only for ``bob``.

        """
        self._stream = stream
        self._mode = mode
        self._stream_time_base = Fraction(stream.time_base or 1)
        order = int(getattr(stream.codec_context, "field_order", 0))  # PyAV has it from 15 on
        told = stream.codec_context.name in _TELL_FRAMES
        self._parity = "auto" if told else "tff" if order in _TOP_FIRST else "bff" if order in _BOTTOM_FIRST else "auto"
        self._filter = _available_filter()
        if mode == "bob" and self._filter is None:
            msg = f"this FFmpeg deinterlaces nothing: it has no filter {' or '.join(_FILTERS)}"
            raise BackendUnavailableError(msg, hint="pip install --upgrade av, or leave --deinterlace out")
        self._graph: Any = None
        self._format = ""
        self._held: VideoFrame | None = None

    @property
    def time_base(self) -> Fraction:
        """Unit of the time stamps of the frames that are made, in seconds: half the stream's where frames double."""
        return self._stream_time_base / 2 if self._mode == "bob" else self._stream_time_base

    def notes(self, interlaced: int) -> tuple[str, ...]:
        """Return in words for the user what was done with a number of interlaced frames; all are in ``bob``."""
        if not interlaced:
            return ()
        if self._mode == "off":
            return (f"{interlaced} interlaced frames were upscaled as they are: leave --deinterlace off out",)
        source = self._stream.codec_context.format
        if source is not None and not self._takes(planar_format(source)):
            return (f"{interlaced} interlaced frames were upscaled as they are (no filter takes {source.name})",)
        if self._mode == "bob":
            return (f"{interlaced} frames were deinterlaced, one from each field: {2 * interlaced} ({self._filter})",)
        return (f"{interlaced} interlaced frames were deinterlaced ({self._filter})",)

    def is_interlaced(self, frame: VideoFrame) -> bool:
        """Return whether a frame is taken for interlaced."""
        return self._mode == "bob" or self._parity != "auto" or bool(frame.interlaced_frame)

    def _takes(self, planar: str) -> bool:
        """Return whether there is a filter for a planar format."""
        return not (
            self._filter is None or planar.removesuffix("le").removesuffix("be") in _NOT_TAKEN or "f32" in planar
        )

    def frames(self, frame: VideoFrame) -> Iterator[VideoFrame]:
        """Take the next frame and yield those that are complete, one frame later or not; times are in `time_base`."""
        if self._mode == "off":
            yield frame
        elif self._graph is None and not self.is_interlaced(frame):
            # One is held back: the filter needs the frame before the first that is interlaced.
            held, self._held = self._held, frame
            if held is not None:
                yield held
        else:
            yield from self._filtered(frame)

    def flush(self) -> Iterator[VideoFrame]:
        """Yield what is held back; more frames may come after it."""
        held, self._held = self._held, None
        if held is not None:
            yield held
        if self._graph is not None:
            self._graph.vpush(None)
            yield from self._pulled()
            self._graph = None

    def _filtered(self, frame: VideoFrame) -> Iterator[VideoFrame]:
        wanted = planar_format(frame.format)
        if not self._takes(wanted):
            yield from self.flush()
            if frame.pts is not None:
                frame.pts, frame.time_base = self._ticks(frame.pts * self._stream_time_base), self.time_base
            yield frame
            return
        if self._graph is None or frame.format.name != self._format:
            held = self._held if self._held is not None and self._held.format.name == frame.format.name else None
            if held is not None:
                self._held = None
            yield from self.flush()
            self._graph, self._format = self._new_graph(frame, wanted), frame.format.name
            if held is not None:
                self._graph.vpush(held)
        self._graph.vpush(frame)
        yield from self._pulled()

    def _new_graph(self, frame: VideoFrame, wanted: str) -> Any:  # noqa: ANN401 - PyAV is imported late
        av = pyav()
        graph = av.filter.Graph()
        nodes = [
            graph.add_buffer(
                width=frame.width, height=frame.height, format=frame.format, time_base=self._stream_time_base
            )
        ]
        if frame.format.name != wanted:
            nodes.append(graph.add("format", f"pix_fmts={wanted}"))  # another order of the same samples
        fields = "send_field" if self._mode == "bob" else "send_frame"
        which = "interlaced" if self._mode == "auto" and self._parity == "auto" else "all"
        nodes.append(graph.add(self._filter, f"mode={fields}:parity={self._parity}:deint={which}"))
        nodes.append(graph.add("buffersink"))
        graph.link_nodes(*nodes).configure()
        return graph

    def _pulled(self) -> Iterator[VideoFrame]:
        av = pyav()
        while True:
            try:
                frame = self._graph.vpull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return
            frame.pts = self._ticks(frame.pts * Fraction(frame.time_base))
            frame.time_base = self.time_base
            yield frame

    def _ticks(self, seconds: Fraction) -> int:
        return round(seconds / self.time_base)


def _available_filter() -> str | None:
    """Return the best filter that this FFmpeg has; None if it has neither."""
    import av.filter  # noqa: PLC0415 - it takes time to load

    return next((name for name in _FILTERS if name in av.filter.filters_available), None)
