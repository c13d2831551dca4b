"""What stands beside the pictures of a film: sound, subtitles, chapters, names and languages. Packets are copied."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from paragon_core.media.video_source import Film

#: Sound that players find in MP4; PyAV tells what may stand there, not what is understood.
_SOUND_IN_MP4: Final = frozenset({"aac", "ac3", "alac", "dts", "eac3", "flac", "mp2", "mp3", "opus"})
_SUBTITLES_IN_MP4: Final = frozenset({"mov_text"})

#: What a container says of itself, not of the film.
_OF_THE_CONTAINER: Final = frozenset({"compatible_brands", "encoder", "major_brand", "minor_version"})
_OF_THE_STREAM: Final = frozenset({"encoder", "vendor_id", "duration", "handler_name"})

_WORDS: Final = {"audio": "sound track", "subtitle": "subtitle track", "video": "second picture track"}


@dataclass(kw_only=True)
class Beside:
    """The streams beside the pictures, and where their packets go."""

    targets: dict[int, Any] = field(default_factory=dict)
    """The new stream of each source stream that is kept, by the latter's index."""
    notes: list[str] = field(default_factory=list)
    """What was not kept, in words for the user."""


def keep_beside(film: Film, container: Any) -> Beside:  # noqa: ANN401  (PyAV is optional)
    """Add to a container that is being written what stands beside the pictures of a film."""
    beside = Beside()
    _keep_names(film.container, container)
    for stream in film.container.streams:
        if stream.index == film.stream.index:
            continue
        if not _fits(stream, container):
            beside.notes.append(_left_out(stream, container))
            continue
        target = container.add_stream_from_template(stream, opaque=True)
        keep_names(stream, target)
        beside.targets[stream.index] = target
    return beside


def keep_names(stream: Any, target: Any) -> None:  # noqa: ANN401  (PyAV is optional)
    """Give a new stream the language, the title and the role of another."""
    target.metadata.update({key: text for key, text in stream.metadata.items() if key.lower() not in _OF_THE_STREAM})
    if hasattr(stream, "disposition"):
        target.disposition = stream.disposition


def _keep_names(source: Any, target: Any) -> None:  # noqa: ANN401  (as above)
    target.metadata.update({key: text for key, text in source.metadata.items() if key.lower() not in _OF_THE_CONTAINER})
    if hasattr(target, "set_chapters") and source.chapters():
        target.set_chapters(source.chapters())


def _fits(stream: Any, container: Any) -> bool:  # noqa: ANN401  (as above)
    if stream.type not in {"audio", "subtitle"} or stream.codec_context is None:
        return False
    name = (
        stream.codec_context.codec.canonical_name
        if hasattr(stream.codec_context.codec, "canonical_name")
        else stream.codec_context.name
    )
    if container.format.name == "mp4":
        return name in (_SOUND_IN_MP4 if stream.type == "audio" else _SUBTITLES_IN_MP4)
    return stream.codec_context.name in container.supported_codecs or name in container.supported_codecs


def _left_out(stream: Any, container: Any) -> str:  # noqa: ANN401  (as above)
    kind = _WORDS.get(stream.type, f"{stream.type} track")
    codec = f" ({stream.codec_context.name})" if stream.codec_context is not None else ""
    language = stream.metadata.get("language")
    name = f" in {language}" if language and language != "und" else ""
    return f"its {kind}{name}{codec} does not go into {container.format.name} and was left out"
