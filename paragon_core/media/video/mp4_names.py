"""Names of any kind in an MP4 (workflows of ComfyUI), next to those that all players know.

FFmpeg writes either kind: as iTunes does, or by keys of any name (QuickTime File Format, "Metadata"). Here it writes
the first, with room in it, and the second takes that room when the file is complete; nothing else moves.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Final

from paragon_core.media.iso_boxes import boxes_between

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import BinaryIO

#: What players look for and FFmpeg writes as iTunes does.
_KNOWN: Final = frozenset(
    {
        *("title", "artist", "album_artist", "composer", "album", "date", "comment", "genre", "copyright", "grouping"),
        *("lyrics", "description", "synopsis", "show", "episode_id", "network", "keywords", "track", "disc"),
        *("season_number", "episode_sort", "compilation", "media_type", "hd_video", "gapless_playback"),
        *("creation_time", "location"),
    }
)
#: Known names of free text, one of which holds the room.
_ROOMY: Final = ("synopsis", "lyrics", "grouping", "network", "show")
_FILLER: Final = "-"

#: Many programs read only the first of two boxes of names: those that show titles, and ComfyUI for its workflows.
_READ_FIRST: Final = frozenset({"prompt", "workflow"})

_UTF8: Final = 1
#: Bytes in front of the boxes inside of some boxes.
_VERSION: Final = 4
_HEAD: Final = struct.Struct(">I4s")


@dataclass(frozen=True, kw_only=True)
class Room:
    """What FFmpeg is to write so that other names find room afterwards."""

    name: str
    """A known name that is not in use."""
    text: str
    """Its text until then."""


def room_for(names: Mapping[str, str]) -> Room | None:
    """Return the room that names of a whole file need in an MP4; None where all are known."""
    others = _others(names)
    free = [name for name in _ROOMY if name not in {each.lower() for each in names}]
    if not others or not free:
        return None
    return Room(name=free[0], text=_FILLER * len(_box_of_keys(others)))


def are_known(names: Mapping[str, str]) -> bool:
    """Return whether players look for all of these names."""
    return not _others(names)


def with_room(names: Mapping[str, str], room: Room | None) -> dict[str, str]:
    """Return the names that FFmpeg is to write: it knows its own in small letters, and Matroska has capitals."""
    known = {name.lower() if name.lower() in _KNOWN else name: text for name, text in names.items()}
    return known if room is None else {**known, room.name: room.text}


def fill_room(file: BinaryIO, room: Room, names: Mapping[str, str]) -> None:
    """Put names of any kind where room was left for them.

    Args:
        file: the complete MP4, which can be read, written and sought.
        room: what FFmpeg has written there.
        names: all names of the file.

    """
    others = _others(names)
    for movie in _boxes(file, 0, file.seek(0, 2), b"moov"):
        for user_data in _boxes(file, *movie, b"udta"):
            file.seek(user_data[0])
            before = file.read(user_data[1] - user_data[0])
            first = not _READ_FIRST.isdisjoint(name.lower() for name in others)
            after = _with_keys(before, room.text.encode(), _box_of_keys(others), in_front=first)
            file.seek(user_data[0])
            file.write(after)


def _others(names: Mapping[str, str]) -> dict[str, str]:
    return {name: text for name, text in names.items() if name.lower() not in _KNOWN}


def _with_keys(data: bytes, filler: bytes, keys: bytes, *, in_front: bool) -> bytes:
    """Return the content of a box, just as long, with the box of keys and without the item that held room."""
    item = _box(b"data", struct.pack(">II", _UTF8, 0) + filler)
    memory = BytesIO(data)
    found = [
        (meta, items, start, end)
        for meta in _boxes(memory, 0, len(data), b"meta")
        for items in _boxes(memory, meta[0] + _VERSION, meta[1], b"ilst")
        for start, end in _boxes(memory, *items)
        if data[start:end] == item
    ]
    if not found:
        return data
    meta, items, start, end = found[0]
    start -= _HEAD.size
    changed = bytearray(data)
    for content, stop in (meta, items):
        size = stop - content + _HEAD.size - (end - start)
        changed[content - _HEAD.size : content - 4] = size.to_bytes(4, "big")
    del changed[start:end]
    result = keys + bytes(changed) if in_front else bytes(changed) + keys
    return result + _box(b"free", bytes(len(data) - len(result) - _HEAD.size))


def _box_of_keys(names: Mapping[str, str]) -> bytes:
    keys = b"".join(_box(b"mdta", name.encode()) for name in names)
    items = b"".join(
        _box(number.to_bytes(4, "big"), _box(b"data", struct.pack(">II", _UTF8, 0) + text.encode()))
        for number, text in enumerate(names.values(), start=1)
    )
    handler = _box(b"hdlr", struct.pack(">II4s12x", 0, 0, b"mdta") + b"\0")
    count = struct.pack(">II", 0, len(names))
    return _box(b"meta", bytes(4) + handler + _box(b"keys", count + keys) + _box(b"ilst", items))


def _box(kind: bytes, content: bytes) -> bytes:
    return _HEAD.pack(_HEAD.size + len(content), kind) + content


def _boxes(file: BinaryIO, start: int, end: int, wanted: bytes | None = None) -> Iterator[tuple[int, int]]:
    """Yield where the contents of boxes of a kind, or of all kinds, begin and end."""
    return ((box.start, box.end) for box in boxes_between(file, start, end) if wanted in {None, box.kind})
