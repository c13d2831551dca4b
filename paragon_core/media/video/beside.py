"""What stands beside the pictures of a film: sound, subtitles, chapters, names and languages.

Packets are copied where the new container holds them, else sound is encoded as AAC and text becomes MP4's own kind.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

from paragon_core.media.pyav import pyav

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from paragon_core.media.video.source import Film

    Conversion = Callable[[Any], Iterable[Any]]

#: What players find in MP4; FFmpeg tells what may stand there.
_UNDERSTOOD_IN_MP4: Final = frozenset({"aac", "ac3", "alac", "dts", "eac3", "flac", "mov_text", "mp2", "mp3", "opus"})
#: Subtitles that are text, which can be converted.
_TEXT: Final = frozenset({"ass", "mov_text", "ssa", "subrip", "text", "webvtt"})
_TEXT_KIND: Final = {"matroska": "srt", "mov": "mov_text", "mp4": "mov_text"}

#: What a container says of itself, not of the film; and what Matroska's writers count.
_OF_THE_CONTAINER: Final = frozenset({"compatible_brands", "encoder", "major_brand", "minor_version"})
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

_WORDS: Final = {"audio": "sound track", "subtitle": "subtitle track", "video": "further picture track"}

#: Bits a second and channel of sound that has to be encoded.
_BITS_OF_A_CHANNEL: Final = 96_000
#: How its channels are laid out, by their number; stereo for others.
_LAYOUTS: Final = {1: "mono", 3: "3.0", 4: "4.0", 5: "5.0", 6: "5.1", 8: "7.1"}


class Beside:
    """The streams beside the pictures, and where their packets go."""

    def __init__(self, film: Film, container: Any) -> None:  # noqa: ANN401  (PyAV is optional)
        """Add to a container that is being written what stands beside the pictures of a film."""
        self.notes: list[str] = []
        self._container = container
        self._conversions: dict[int, Conversion] = {}
        _keep_names(film, container)
        for stream in film.container.streams:
            if stream.index != film.stream.index:
                self._keep(stream)

    def write(self, packet: Any) -> None:  # noqa: ANN401  (as above)
        """Write a packet of a stream that is kept."""
        if convert := self._conversions.get(packet.stream.index):
            for each in convert(packet):
                self._container.mux(each)

    def finish(self) -> None:
        """Write what encoders of sound hold back."""
        for convert in self._conversions.values():
            for each in convert(None):
                self._container.mux(each)

    def _keep(self, stream: Any) -> None:  # noqa: ANN401  (as above)
        kind, codec = self._container.format.name, _codec(stream)
        conversion: Conversion | None = None
        if target := self._same(stream):
            conversion = _copied(target)
        elif codec and stream.type == "audio":
            target = self._container.add_stream("aac", rate=stream.codec_context.sample_rate)
            conversion = _encoded(stream, target)
            self.notes.append(f"its {_name(stream)} is no sound for {kind}, and was encoded as AAC")
        elif codec in _TEXT and hasattr(stream.codec_context, "decode2"):  # newer PyAV writes subtitles
            target = self._container.add_stream(_TEXT_KIND[kind])
            conversion = _as_text(stream, target)
            self.notes.append(f"its {_name(stream)} became {_codec(target)}, which {kind} holds")
        if conversion is not None:
            keep_names(stream, target)
            self._conversions[stream.index] = conversion
        elif not _is_chapters(stream):
            self.notes.append(f"its {_name(stream)} does not go into {kind}, and was left out")

    def _same(self, stream: Any) -> Any:  # noqa: ANN401  (as above)
        """Add a stream for the same packets; return None where the container does not hold them."""
        codec = _codec(stream)
        if not codec or stream.type not in {"audio", "subtitle"}:
            return None
        if self._container.format.name == "mp4" and codec not in _UNDERSTOOD_IN_MP4:
            return None
        if not {codec, stream.codec_context.name} & self._container.supported_codecs:
            return None
        try:
            return self._container.add_stream_from_template(stream)
        except ValueError:  # older PyAV wants an encoder of that name
            return None


def keep_names(stream: Any, target: Any) -> None:  # noqa: ANN401  (PyAV is optional)
    """Give a new stream the language, the title and the role of another."""
    kept = {key: text for key, text in stream.metadata.items() if not key.lower().startswith(_OF_THE_STREAM)}
    target.metadata.update(kept)
    if hasattr(stream, "disposition"):  # not before PyAV 14.1
        target.disposition = stream.disposition


def _keep_names(film: Film, target: Any) -> None:  # noqa: ANN401  (as above)
    names = film.container.metadata
    target.metadata.update({key: text for key, text in names.items() if key.lower() not in _OF_THE_CONTAINER})
    if hasattr(target, "set_chapters") and (chapters := _chapters(film)):  # not in older PyAV
        target.set_chapters(chapters)


def _chapters(film: Film) -> list[Any]:
    """Return the chapters of what is wanted of a film, with times that begin with it."""
    result = []
    for chapter in film.container.chapters():
        unit = Fraction(chapter["time_base"])
        shift = round(film.origin / unit)
        start, end = chapter["start"] - shift, chapter["end"] - shift
        if film.excerpt.duration is not None:
            end = min(end, int(film.excerpt.duration / unit))
        if max(start, 0) < end:
            result.append({**chapter, "start": max(start, 0), "end": end})
    return result


def _copied(target: Any) -> Conversion:  # noqa: ANN401  (as above)
    def convert(packet: Any) -> Iterable[Any]:  # noqa: ANN401  (as above)
        if packet is None:
            return ()
        packet.stream = target
        return (packet,)

    return convert


def _encoded(stream: Any, target: Any) -> Conversion:  # noqa: ANN401  (as above)
    av = pyav()
    target.codec_context.layout = _LAYOUTS.get(stream.codec_context.layout.nb_channels, "stereo")
    target.codec_context.bit_rate = _BITS_OF_A_CHANNEL * target.codec_context.layout.nb_channels

    def convert(packet: Any) -> Iterable[Any]:  # noqa: ANN401  (as above)
        if packet is None:
            yield from target.encode(None)
            return
        try:
            frames = packet.decode()
        except av.error.InvalidDataError:
            return
        for frame in frames:
            yield from target.encode(frame)

    return convert


def _as_text(stream: Any, target: Any) -> Conversion:  # noqa: ANN401  (as above)
    av = pyav()
    context = stream.codec_context
    context.open()
    target.codec_context.subtitle_header = context.subtitle_header
    target.codec_context.time_base = Fraction(1, 1000)

    def convert(packet: Any) -> Iterable[Any]:  # noqa: ANN401  (as above)
        try:
            text = None if packet is None else context.decode2(packet)
        except av.error.InvalidDataError:
            text = None
        if text is None:
            return
        result = target.codec_context.encode_subtitle(text)
        result.stream, result.time_base = target, packet.time_base
        result.pts = result.dts = packet.pts
        result.duration = packet.duration
        yield result

    return convert


def _codec(stream: Any) -> str:  # noqa: ANN401  (as above)
    """Return the codec's name, empty where there is none here."""
    context = stream.codec_context
    return "" if context is None else str(getattr(context.codec, "canonical_name", context.name))


def _name(stream: Any) -> str:  # noqa: ANN401  (as above)
    kind = _WORDS.get(stream.type, f"{stream.type} track")
    language = stream.metadata.get("language", "und")
    codec = f" ({_codec(stream)})" if _codec(stream) else ""
    return f"{kind}{'' if language == 'und' else f' in {language}'}{codec}"


def _is_chapters(stream: Any) -> bool:  # noqa: ANN401  (as above)
    """Tell whether a track of an MP4 holds the titles of its chapters, which are kept as such."""
    return bool(stream.type == "data" and hasattr(stream.container, "chapters") and stream.container.chapters())
