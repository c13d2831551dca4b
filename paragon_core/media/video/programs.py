"""Programs of a broadcast recording: which streams belong together (MPEG-TS tables, ISO/IEC 13818-1, 2.4.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

_SYNC: Final = 0x47
_PACKET: Final = 188
#: Sizes of packets with what some writers put around them: nothing, a time stamp in front, a checksum behind.
_SIZES: Final = {188: 0, 192: 4, 204: 0}

#: Bytes in which every table comes at least once: they are repeated ten times a second.
_ENOUGH: Final = 4 << 20

_PAT_PID: Final = 0
_PAT_TABLE: Final = 0
_PMT_TABLE: Final = 2


def programs(stream: BinaryIO) -> list[frozenset[int]]:
    """Return the identifiers of the streams of each program, in the order of the table of programs.

    Args:
        stream: the file, seekable; its position is kept.

    """
    before = stream.tell()
    stream.seek(0)
    data = stream.read(_ENOUGH)
    stream.seek(before)
    tables: dict[int, frozenset[int]] = {}
    maps: list[int] = []
    for pid, section in _sections(data):
        if pid == _PAT_PID and section[0] == _PAT_TABLE and not maps:
            entries = section[8:-4]
            pairs = [entries[at : at + 4] for at in range(0, len(entries) - 3, 4)]
            maps = [int.from_bytes(pair[2:], "big") & 0x1FFF for pair in pairs if any(pair[:2])]
        elif pid in maps and section[0] == _PMT_TABLE:
            tables.setdefault(pid, _streams_of(section))
        if maps and len(tables) == len(set(maps)):
            break
    return [tables[pid] for pid in dict.fromkeys(maps) if pid in tables]


def _streams_of(section: bytes) -> frozenset[int]:
    found, at = set(), 12 + (int.from_bytes(section[10:12], "big") & 0xFFF)
    while at + 5 <= len(section) - 4:
        found.add(int.from_bytes(section[at + 1 : at + 3], "big") & 0x1FFF)
        at += 5 + (int.from_bytes(section[at + 3 : at + 5], "big") & 0xFFF)
    return frozenset(found)


def _sections(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the tables of the file's beginning, each with the identifier of the packets that carry it."""
    collected: dict[int, bytes] = {}
    for packet in _packets(data):
        pid = int.from_bytes(packet[1:3], "big") & 0x1FFF
        begins, has_payload, has_field = packet[1] & 0x40, packet[3] & 0x10, packet[3] & 0x20
        if not has_payload:
            continue
        payload = packet[5 + packet[4] :] if has_field else packet[4:]
        if begins and payload:
            payload = payload[1 + payload[0] :]
            collected[pid] = b""
        if pid not in collected:
            continue
        section = collected[pid] + payload
        collected[pid] = section
        length = 3 + (int.from_bytes(section[1:3], "big") & 0xFFF)
        if len(section) >= max(length, 12):
            yield pid, section[:length]
            del collected[pid]


def _packets(data: bytes) -> Iterator[bytes]:
    for size, offset in _SIZES.items():
        starts = range(offset, len(data) - _PACKET + 1, size)
        if len(starts) > 1 and all(data[start] == _SYNC for start in starts[:8]):
            yield from (data[start : start + _PACKET] for start in starts if data[start] == _SYNC)
            return
