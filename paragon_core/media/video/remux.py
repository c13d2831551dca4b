"""Sound, subtitles, chapters, attachments and metadata of a video, carried over into a new container.

Packets are copied where the new container holds them. Otherwise, sound is encoded and text converted.
"""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final, cast

from paragon_core.media.pyav import pyav
from paragon_core.media.video.attachments import attach, holds_cover
from paragon_core.media.video.demuxing import is_cover
from paragon_core.media.video.formats import MATROSKA
from paragon_core.media.video.sound import SoundEncoder, format_for
from paragon_core.media.video.subtitles import TEXT, TEXT_KIND, TextConverter
from paragon_core.media.video.times import Monotonic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from av import AudioStream, Packet
    from av.container import OutputContainer
    from av.container.core import Chapter
    from av.stream import Stream
    from av.subtitles.stream import SubtitleStream

    from paragon_core.media.video.source import VideoReader

    Conversion = Callable[[Packet[Any] | None], Iterable[Packet[Any]]]

#: What players find in MP4; FFmpeg knows what it may hold.
_UNDERSTOOD_IN_MP4: Final = frozenset({"aac", "ac3", "alac", "dts", "eac3", "flac", "mov_text", "mp2", "mp3", "opus"})

#: What a container says of itself, not of the video; and what Matroska's writers count.
_OF_THE_CONTAINER: Final = frozenset(
    {"compatible_brands", "duration", "encoder", "major_brand", "minor_version", "software"}
)
_OF_THE_STREAM: Final = (
    "_statistics",
    "bps",
    "duration",
    "encoder",
    "handler_name",
    "number_of_",
    "rotate",
    "vendor_id",
)
#: What writers of MP4 call their tracks where nobody has given them a name.
_NO_NAMES: Final = frozenset({"soundhandler", "subtitlehandler", "videohandler", "datahandler"})

#: Seconds that sound has before its beginning, to fill its decoder, unless it was cut there.
_MOST_PADDING: Final = 0.1

_WORDS: Final = {"audio": "sound track", "subtitle": "subtitle track", "video": "further video track"}


class Remuxer:
    """Carries over all streams but the main video stream."""

    def __init__(self, video: VideoReader, container: OutputContainer) -> None:
        """Add the other streams of a video to a container that is being written."""
        self._notes: list[str] = []
        self._container = container
        self._conversions: dict[int, Conversion] = {}
        self._first: list[Packet[Any]] = []
        self._starts_later = video.time_range.start > 0
        if hasattr(container, "set_chapters") and (chapters := _chapters(video)):  # not in older PyAV
            container.set_chapters(chapters)
        for stream in video.others:
            if stream.type == "attachment" or is_cover(stream):
                self._attach(stream, video.covers.get(stream.index, b"") if is_cover(stream) else None)
            else:
                self._keep(stream)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was not kept as it is, in words for the user."""
        texts = [each for each in self._conversions.values() if isinstance(each, TextConverter)]
        shortened = sum(each.shortened for each in texts)
        if not shortened:
            return tuple(self._notes)
        kind = self._container.format.name
        return (*self._notes, f"{kind} shows one subtitle at a time: {shortened} of them end where the next begins")

    def write(self, packet: Packet[Any]) -> None:
        """Write a packet of a stream that is kept."""
        self._write_first()
        if convert := self._conversions.get(packet.stream.index):
            for each in convert(packet):
                self._container.mux(each)

    def finish(self) -> None:
        """Write what encoders of sound hold back."""
        self._write_first()
        for convert in self._conversions.values():
            for each in convert(None):
                self._container.mux(each)

    def _write_first(self) -> None:
        while self._first:
            self._container.mux(self._first.pop())

    def _attach(self, stream: Stream, cover: bytes | None) -> None:
        if attach(self._container, stream, cover):
            return
        if cover and holds_cover(self._container, stream) and self._holds(stream):
            target = self._container.add_stream_from_template(stream, opaque=True)
            keep_names(stream, target)
            image = pyav().Packet(cover)
            image.stream, image.time_base, image.pts, image.dts = target, Fraction(1, 1000), 0, 0
            self._first.append(image)
            return
        kind = self._container.format.name
        name = stream.metadata.get("filename") or ("cover image" if cover is not None else "attachment")
        if kind == "matroska" and not hasattr(self._container, "add_attachment"):
            self._notes.append(f"its attached file {name} was left out: this PyAV is too old to attach files")
        else:
            self._notes.append(f"its attached file {name} does not go into {kind}, and was left out")

    def _keep(self, stream: Stream) -> None:
        kind, codec = self._container.format.name, _codec(stream)
        target: Stream | None = None
        conversion: Conversion | None = None
        begins_in_cut = self._begins_in_cut(stream)
        # Casts, because PyAV's types do not tell a stream's class by its type, nor a new one's by its codec.
        if not begins_in_cut and (target := self._same(stream)):
            conversion = _copied(target)
        elif codec and stream.type == "audio":
            wanted = format_for(cast("AudioStream", stream), kind)
            if wanted is not None and wanted.opens():
                target = sound = cast("AudioStream", self._container.add_stream(wanted.encoder, rate=wanted.rate))
                conversion = SoundEncoder(sound, wanted)
                why = "cannot be copied from there on" if begins_in_cut else f"is no sound for {kind}"
                self._notes.append(f"its {_name(stream)} {why}, and {wanted.note}")
        elif codec in TEXT and hasattr(stream.codec_context, "decode2"):  # newer PyAV writes subtitles
            target = text = cast("SubtitleStream", self._container.add_stream(TEXT_KIND[kind]))
            one_at_a_time = TEXT_KIND[kind] == "mov_text"
            conversion = TextConverter(cast("SubtitleStream", stream), text, one_at_a_time=one_at_a_time)
            self._notes.append(f"its {_name(stream)} became {_codec(target)}, which {kind} holds")
        if conversion is not None and target is not None:
            keep_names(stream, target)
            self._conversions[stream.index] = conversion
        elif not _is_chapters(stream):
            self._notes.append(f"its {_name(stream)} {_why_not(stream, kind)}, and was left out")

    def _begins_in_cut(self, stream: Stream) -> bool:
        """Return whether Matroska would leave out the beginning of sound from which much was cut without encoding it.

        Files say how much comes before the cut, and what is copied of them says it as well.
        """
        if stream.type != "audio" or not self._starts_later or self._container.format.name not in MATROSKA:
            return False
        context = cast("AudioStream", stream).codec_context
        padding = getattr(context, "initial_padding", 0)  # PyAV has it from 19 on
        return bool(padding > _MOST_PADDING * (context.sample_rate or 0))

    def _same(self, stream: Stream) -> Stream | None:
        """Add a stream for the same packets; return None where the container does not hold them."""
        codec = _codec(stream)
        if not codec or stream.type not in {"audio", "subtitle"}:
            return None
        if self._container.format.name == "mp4" and codec not in _UNDERSTOOD_IN_MP4:
            return None
        if not {codec, stream.codec_context.name} & self._container.supported_codecs or not self._holds(stream):
            return None
        try:
            return self._container.add_stream_from_template(stream)
        except ValueError:  # older PyAV wants an encoder of that name
            return None

    def _holds(self, stream: Stream) -> bool:
        """Return whether a file of that kind can be begun with a stream: its writer knows what it needs to be told."""
        av = pyav()
        trial = av.open(BytesIO(), "w", format=self._container.format.name, options=dict(self._container.options))
        try:
            trial.add_stream_from_template(stream, **({"opaque": True} if stream.type == "video" else {}))
            trial.start_encoding()
        except (av.error.FFmpegError, ValueError, AttributeError, TypeError):  # the latter two: of older PyAV
            return False
        finally:
            with suppress(av.error.FFmpegError):
                trial.close()
        return True


def keep_names(stream: Stream, target: Stream) -> None:
    """Give a new stream the language, the title and the role of another.

    Players show as a track's name what MP4 calls its handler, and what Matroska calls its title.
    """
    kept = {key: text for key, text in stream.metadata.items() if not key.lower().startswith(_OF_THE_STREAM)}
    handler, title = stream.metadata.get("handler_name", ""), kept.get("title", "")
    has_name = handler and handler.lower() not in _NO_NAMES
    if target.container.format.name in MATROSKA:
        kept |= {"title": handler} if has_name and not title else {}
    elif has_name or title:
        kept["handler_name"] = handler if has_name else title
    target.metadata.update(kept)
    if hasattr(stream, "disposition"):  # not before PyAV 14.1
        target.disposition = stream.disposition


def names_of(video: VideoReader) -> dict[str, str]:
    """Return the metadata of a whole video: title, artist..."""
    names = video.container.metadata
    return {key: text for key, text in names.items() if key.lower() not in _OF_THE_CONTAINER}


def _chapters(video: VideoReader) -> list[Chapter]:
    """Return the chapters of what is wanted of a video, with times that begin with it."""
    result: list[Chapter] = []
    for chapter in video.container.chapters():
        unit = Fraction(chapter["time_base"] or 1)
        shift = round(video.origin / unit)
        start, end = chapter["start"] - shift, chapter["end"] - shift
        if video.time_range.duration is not None:
            end = min(end, int(video.time_range.duration / unit))
        if max(start, 0) < end:
            kept = chapter.copy()
            kept["start"], kept["end"] = max(start, 0), end
            result.append(kept)
    return result


def _copied(target: Stream) -> Conversion:
    times = Monotonic()

    def convert(packet: Packet[Any] | None) -> Iterable[Packet[Any]]:
        if packet is None:
            return ()
        if target.type != "subtitle":
            times.repair(packet)
        packet.stream = target
        return (packet,)

    return convert


def _codec(stream: Stream) -> str:
    """Return the codec's name, empty where there is none here."""
    context = stream.codec_context
    return "" if context is None else str(getattr(context.codec, "canonical_name", context.name))


def _name(stream: Stream) -> str:
    kind = _WORDS.get(stream.type, f"{stream.type} track")
    language = stream.metadata.get("language", "und")
    codec = f" ({_codec(stream)})" if _codec(stream) else ""
    return f"{kind}{'' if language == 'und' else f' in {language}'}{codec}"


def _why_not(stream: Stream, kind: str) -> str:
    if stream.type == "video":
        return "is not upscaled: only the main video track is"
    if stream.type == "audio":
        return "is of a kind that cannot be decoded here"
    return f"does not go into {kind}"


def _is_chapters(stream: Stream) -> bool:
    """Return whether a track of an MP4 holds the titles of its chapters, which are kept as such."""
    return bool(stream.type == "data" and hasattr(stream.container, "chapters") and stream.container.chapters())
