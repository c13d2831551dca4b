"""Writing a video: its frames, and the streams that are carried over."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from paragon_core.atomic_files import atomic_write, remove_leftovers
from paragon_core.errors import MediaError, OutOfMemoryError, UnsupportedFormatError
from paragon_core.low_memory import HINT, is_low_memory, lacks
from paragon_core.media.pyav import pyav
from paragon_core.media.video.formats import container_of_name
from paragon_core.media.video.frame_size import FrameSize, frame_size
from paragon_core.media.video.frames import colour_of, planar_format, side_data
from paragon_core.media.video.hdr import has_dolby_vision, needs_dolby_vision, static_hdr
from paragon_core.media.video.mp4_names import are_known, fill_room, room_for, with_room
from paragon_core.media.video.remux import Remuxer, keep_names
from paragon_core.media.video.rotation import Rotation, rotation_of
from paragon_core.media.video.scheduling import own_priority

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from av import Packet, VideoFrame, VideoStream
    from av.container import OutputContainer

    from paragon_core.media.video.encoding import FrameFormat, VideoEncoding
    from paragon_core.media.video.hdr import StaticHdr
    from paragon_core.media.video.source import Step, VideoReader
    from paragon_core.upscaling.output_size import OutputSize, Size

#: Identifiers that differ each time are left out. Sound may begin before 0, as encoders make it: some versions of
#: FFmpeg would rather move everything else.
_OPTIONS_OF_MATROSKA: Final = {"fflags": "+bitexact", "avoid_negative_ts": "disabled"}
#: MP4 begins with its index, so that browsers need not read to its end.
_OPTIONS_OF_MP4: Final = {"fflags": "+bitexact", "movflags": "+faststart"}
#: QuickTime takes names of any kind only if all are written in a way that fewer players know.
_ANY_NAMES: Final = {"movflags": "+faststart+use_metadata_tags"}

_NO_NAMES: Final[Mapping[str, str]] = MappingProxyType({})

#: What may come with frames, by FFmpeg's names, and is not written.
_SIDE_DATA: Final = {
    "A53_CC": "its closed captions",
    "DYNAMIC_HDR_PLUS": "its HDR10+ description",
    "DYNAMIC_HDR_VIVID": "its HDR Vivid description",
    "ICC_PROFILE": "its ICC profile",
    "SPHERICAL": "its description of a 360-degree video",
    "STEREO3D": "its description of two views (3D)",
}

#: Packets that may be decoded after the frame that is shown last.
_MOST_REORDERED: Final = 16

#: Bytes that encoders may take at once; some do not say that it was memory that they lacked.
_BYTES_TO_ENCODE: Final = 1 << 28

#: Codecs that say in their own stream how wide pixels are; PyAV cannot have Matroska say it.
_TELL_ASPECT: Final = frozenset({"h264", "hevc"})


@dataclass(frozen=True, kw_only=True)
class OutputFormat:
    """Size, samples and codec of the new video."""

    size: Size
    """Width and height of its frames."""
    pixels: Size
    """Width and height of what is shown of them: a pixel less where sides must be even and are not."""
    runs: int
    """Number of times that the network runs over a frame."""
    frame_format: FrameFormat
    """How these are stored."""
    rotation: Rotation
    """What makes the source's frames upright."""
    aspect: Fraction
    """Width of a pixel by its height."""
    encoding: VideoEncoding
    """What it is encoded with."""
    hdr: StaticHdr
    """What HDR10 says of the whole of it."""
    notes: tuple[str, ...]
    """Notes on what is not kept, for the user."""

    @classmethod
    def of(
        cls,
        first: VideoFrame,
        video: VideoReader,
        encoding: VideoEncoding,
        *,
        scale: int,
        wanted: OutputSize | None = None,
    ) -> OutputFormat:
        """Return what a video becomes that begins with this frame, at the size ``wanted`` instead of the scale."""
        notes = []
        rotation = rotation_of(first)
        if rotation is None:
            rotation = Rotation()
            notes.append("it is to be shown at an angle that is no multiple of 90 degrees, and was not turned")
        if needs_dolby_vision(video.stream, first):
            msg = f"{video.name} is Dolby Vision of a kind whose colours are wrong without its decoder (profile 5)"
            raise UnsupportedFormatError(msg, hint="convert it to HDR10 or SDR first; other profiles can be upscaled")
        aspect = Fraction(video.stream.sample_aspect_ratio or 0) or Fraction(1)
        upright = first.width, first.height
        if rotation.transposed:
            upright, aspect = upright[::-1], 1 / aspect
        source = colour_of(first)
        encoding = encoding.chosen(source.bits, frame_size(upright, aspect, wanted, scale=scale, even=False).stored)
        frame_format = encoding.frame_format(
            source,
            planar_format(first.format),
            rotated=bool(rotation),
            primaries=int(video.stream.codec_context.color_primaries),
        )
        made = frame_size(upright, aspect, wanted, scale=scale, even=frame_format.even)
        notes += _lost(first, video, encoding, frame_format)
        notes += _resized(made, wanted)
        return cls(
            size=made.stored,
            pixels=made.pixels,
            runs=made.runs,
            frame_format=frame_format,
            rotation=rotation,
            aspect=made.aspect,
            encoding=encoding,
            hdr=static_hdr(video.stream, first),
            notes=tuple(notes),
        )

    def blank(self) -> VideoFrame:
        """Return a new frame to be filled."""
        frame: VideoFrame = pyav().VideoFrame(*self.size, self.frame_format.pixel_format)
        return frame


def _lost(first: VideoFrame, video: VideoReader, encoding: VideoEncoding, frame_format: FrameFormat) -> Iterator[str]:
    """Yield what is not kept of what comes with frames, in words for the user."""
    bits = colour_of(first).bits
    if bits > frame_format.colour.bits:
        yield f"its {bits} bits for a colour became {frame_format.colour.bits}"
    if first.interlaced_frame:
        yield "it is interlaced, and its frames were upscaled as they are: deinterlace it first"
    for name, words in _SIDE_DATA.items():
        if name in side_data(first):
            yield f"{words} was left out"
    if static_hdr(video.stream, first) and not encoding.keeps_hdr:
        yield f"its HDR10 description (mastering display, MaxCLL) was left out: {encoding.codec} has none"
    if has_dolby_vision(video.stream, first):
        yield "its Dolby Vision layer was left out"


def _resized(made: FrameSize, wanted: OutputSize | None) -> Iterator[str]:
    """Yield what frames of a size are not that was asked for, in words for the user."""
    if made.stored != made.pixels:
        before, after = (f"{width} x {height}" for width, height in (made.pixels, made.stored))
        yield f"{before} pixels were continued to {after}: video needs even sides"
    if wanted is not None and any(
        side not in {None, given} for given, side in zip(made.pixels, (wanted.width, wanted.height), strict=True)
    ):
        yield f"its frames have {made.pixels[0]} x {made.pixels[1]} pixels: video needs even sides"
    if not made.runs:
        yield "its frames were resized without the model, which only upscales"


class VideoWriter:
    """A video that is being written."""

    def __init__(self, container: OutputContainer, video: VideoReader, output_format: OutputFormat) -> None:
        """Begin with what is known before the first frame is upscaled."""
        self._container = container
        self.written = 0
        """Bytes that went to the container so far."""
        encoding = output_format.encoding
        self._stream = add_encoder(container, video, output_format)
        keep_names(video.stream, self._stream)
        self._remuxer = Remuxer(video, container)
        self._video = video
        self._first: tuple[int, int] | None = None
        self._held: list[Packet[Any]] = []
        self._failed = False
        self._is_open = False  # the encoder, which the first frame opens
        self._notes = [*output_format.notes]
        if (
            (aspect := output_format.aspect) != 1
            and container.format.name == "matroska"
            and encoding.codec not in _TELL_ASPECT
        ):
            self._notes.append(f"the new file does not say that its pixels are {aspect} times as wide as high")

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes on what was not kept, for the user."""
        return (*self._notes, *self._remuxer.notes)

    def begin(self) -> None:
        """Open the encoder for what it says of its packets, which were made before and are about to be copied."""
        with self._ends_at_errors(), own_priority():
            self._container.start_encoding()

    def copy(self, packets: Sequence[Packet[Any]]) -> None:
        """Write packets of another encoder of this kind."""
        for packet in packets:
            packet.stream = self._stream
        with self._ends_at_errors():
            self._write_video(packets)

    def copy_other(self, packet: Packet[Any]) -> None:
        """Write a packet of another stream."""
        with self._ends_at_errors():
            self._remuxer.write(packet)

    def finish_copy(self) -> None:
        """Write what was held back of what was copied."""
        with self._ends_at_errors():
            self._write_video((), end=True)
            self._remuxer.finish()

    def write(self, step: Step) -> bool:
        """Write what comes next; return whether there was a frame."""
        with self._ends_at_errors():
            for packet in step.packets:
                self.written += packet.size
                self._remuxer.write(packet)
            if step.frame is not None:
                with nullcontext() if self._is_open else own_priority():
                    packets = self._stream.encode(step.frame)
                self._is_open = True
                self._write_video(packets)
        return step.frame is not None

    def finish(self) -> None:
        """Write what the encoder holds back."""
        with self._ends_at_errors():
            self._write_video(self._stream.encode(None), end=True)
            self._remuxer.finish()

    def _write_video(self, packets: Sequence[Packet[Any]], *, end: bool = False) -> None:
        """Write packets, the last ones only at the end: then it is known how long the last frame is shown."""
        self.written += sum(packet.size for packet in packets)
        if self._first is None and packets:
            self._first = _times_of(packets[0])
        self._held += packets
        if end:
            self._prolong_last()
            self._container.mux(self._held)
            self._held = []
        else:
            self._container.mux(self._held[:-_MOST_REORDERED])
            self._held = self._held[-_MOST_REORDERED:]

    def _prolong_last(self) -> None:
        """Have the last frame shown as long as in the source; containers end with the packet that is decoded last."""
        if not self._held or self._first is None:
            return
        last_shown, last_decoded = max(self._held, key=lambda packet: _times_of(packet)[0]), self._held[-1]
        duration = round(self._video.last_duration * self._video.time_base / Fraction(last_shown.time_base))
        last_shown.duration = duration
        if last_decoded is not last_shown:
            shown = _times_of(last_shown)[0] + duration - self._first[0]
            decoded = _times_of(last_decoded)[1] - self._first[1]
            last_decoded.duration = max(shown - decoded, 1)

    @contextmanager
    def _ends_at_errors(self) -> Iterator[None]:
        """Raise errors as ours, and refuse to go on after one: FFmpeg crashes where its first write has failed."""
        if self._failed:
            raise MediaError("the video was given up after an error", hint="see the error before this one")
        self._failed = True
        with encoder_errors():
            yield
        self._failed = False


@contextmanager
def encoder_errors() -> Iterator[None]:
    """Raise errors of encoders and containers as ours."""
    try:
        yield
    except (pyav().error.FFmpegError, ValueError) as error:
        raise _not_written(error) from error


def add_encoder(container: OutputContainer, video: VideoReader, output_format: OutputFormat) -> VideoStream:
    """Add the video stream of the result to a container that is being written; raises what `add_to` does."""
    stream = output_format.encoding.add_to(
        container,
        output_format.size,
        output_format.frame_format,
        rate=video.rate,
        time_base=video.time_base,
        hdr=output_format.hdr,
    )
    context, source = stream.codec_context, video.stream.codec_context
    context.sample_aspect_ratio = output_format.aspect
    context.color_primaries, context.color_trc = source.color_primaries, source.color_trc
    return stream


@contextmanager
def writing(target: Path, names: Mapping[str, str] = _NO_NAMES) -> Iterator[OutputContainer]:
    """Open a container that takes its name only once it is complete (`atomic_write`).

    Args:
        target: the file.
        names: what is told of the whole: title, artist, and any others.

    Raises:
        MediaError: it cannot be written.

    """
    av = pyav()
    remove_leftovers(target.parent)
    with atomic_write(target) as file:
        # FFmpeg opens the file once more, by its name, so that it can go back and put the index in front.
        name = container_of_name(target)
        options = _OPTIONS_OF_MATROSKA if name == "matroska" else _OPTIONS_OF_MP4
        room = room_for(names) if name == "mp4" else None
        if name == "mov" and not are_known(names):
            options = {**options, **_ANY_NAMES}
        container = av.open(f"file:{file.name}", "w", format=name, options=options)
        container.metadata.update(names if name == "matroska" else with_room(names, room))
        try:
            yield container
        except BaseException:
            with suppress(av.error.FFmpegError, OSError):  # the first error is the one to report
                file.truncate(0)  # closing an MP4 moves everything to make room for its index
                container.close()
            raise
        try:
            container.close()
        except av.error.FFmpegError as error:
            raise _not_written(error) from error
        if room is not None:
            with Path(file.name).open("r+b") as complete:
                fill_room(complete, room, names)


def _times_of(packet: Packet[Any]) -> tuple[int, int]:
    """Return when a packet of an encoder is shown and decoded."""
    return packet.pts or 0, packet.dts or 0


def _not_written(error: Exception) -> Exception:
    """Return the error to raise: that of the disk as it is, which `atomic_write` explains, others as ours."""
    if is_low_memory(error) or lacks(_BYTES_TO_ENCODE):
        return OutOfMemoryError("there is not enough memory to encode the video", hint=HINT)
    if isinstance(error, OSError):
        return error
    reason = getattr(error, "strerror", None) or str(error)
    msg = f"the video cannot be encoded or written ({reason})"
    return MediaError(msg, hint="try another --codec, or .mkv; some encoders take no frames below 16 pixels a side")
