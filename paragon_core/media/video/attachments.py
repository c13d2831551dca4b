"""Files inside of a video's file: fonts and cover images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.stream import AttachmentStream, Stream

#: Extensions and types of cover images, by their codec.
_COVERS: Final = {
    "mjpeg": ("jpg", "image/jpeg"),
    "png": ("png", "image/png"),
    "bmp": ("bmp", "image/bmp"),
    "gif": ("gif", "image/gif"),
    "webp": ("webp", "image/webp"),
}
#: Those that MP4 holds.
_IN_MP4: Final = frozenset({"mjpeg", "png", "bmp"})


def attach(container: OutputContainer, stream: Stream, cover: bytes | None) -> bool:
    """Attach to a Matroska file that is being written what is attached to another; return whether that could be.

    Args:
        container: the new file, before its first packet.
        stream: an attachment, or the stream of a cover image.
        cover: the image, of such a stream.

    """
    if container.format.name != "matroska" or not hasattr(container, "add_attachment"):  # PyAV has it from 15 on
        return False
    data = cast("AttachmentStream", stream).data if cover is None else cover  # what is no cover is an attachment
    codec = "" if cover is None else stream.codec_context.name
    extension, kind = _COVERS.get(codec, ("bin", "application/octet-stream"))
    name = stream.metadata.get("filename") or f"cover.{extension}"
    kind = stream.metadata.get("mimetype") or (getattr(stream, "mimetype", None) if cover is None else None) or kind
    if not data:
        return False
    target = container.add_attachment(name, kind, data)
    kept = {key: text for key, text in stream.metadata.items() if key.lower() in {"title", "language", "comment"}}
    target.metadata.update(kept)
    return True


def holds_cover(container: OutputContainer, stream: Stream) -> bool:
    """Return whether a file that is being written takes a cover image as a stream."""
    return container.format.name == "mp4" and stream.codec_context.name in _IN_MP4
