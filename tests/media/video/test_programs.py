"""Programs of broadcast recordings."""

from __future__ import annotations

import io
from itertools import zip_longest
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paragon_core.media.video.programs import programs
from paragon_core.media.video.upscale import upscale_video
from tests.upscalers import shared_upscaler

av = pytest.importorskip("av")

from tests.media.video import videos

if TYPE_CHECKING:
    from pathlib import Path

PACKET = 188


def recording(path: Path, *, program: int, size: tuple[int, int]) -> list[bytes]:
    """Return the packets of a recording with one program, without its table of programs."""
    options = {"mpegts_service_id": f"{program}", "mpegts_pmt_start_pid": f"{0x1000 + program}"}
    options["mpegts_start_pid"] = f"{0x100 * program}"
    with av.open(str(path), "w", options=options) as container:
        video = container.add_stream("mpeg2video", rate=25)
        video.width, video.height, video.pix_fmt = *size, "yuv420p"
        sound = container.add_stream("mp2", rate=48000)
        sound.codec_context.layout = "mono"
        for frame in videos.tone(sound, 0.5):
            container.mux(sound.encode(frame))
        for number in range(12):
            container.mux(video.encode(videos.moving_frame(number, size, "yuv420p")))
        for stream in (video, sound):
            container.mux(stream.encode(None))
    data = path.read_bytes()
    packets = [data[at : at + PACKET] for at in range(0, len(data), PACKET)]
    return [packet for packet in packets if int.from_bytes(packet[1:3], "big") & 0x1FFF]


def table(numbers: list[int]) -> bytes:
    """Return the packet with the table of programs."""
    entries = b"".join(number.to_bytes(2, "big") + (0xE000 | 0x1000 + number).to_bytes(2, "big") for number in numbers)
    body = b"\0\1\xc1\0\0" + entries
    section = b"\0" + (0xB000 | len(body) + 4).to_bytes(2, "big") + body
    check = 0xFFFFFFFF
    for byte in section:
        check ^= byte << 24
        for _ in range(8):
            check = (check << 1 ^ (0x04C11DB7 if check & 0x80000000 else 0)) & 0xFFFFFFFF
    return (b"G\x40\0\x10\0" + section + check.to_bytes(4, "big")).ljust(PACKET, b"\xff")


def two_programs(folder: Path) -> Path:
    first = recording(folder / "1.ts", program=1, size=(96, 64))
    second = recording(folder / "2.ts", program=2, size=(64, 48))
    mixed = [packet for pair in zip_longest(first, second) for packet in pair if packet is not None]
    path = folder / "a.ts"
    path.write_bytes(b"".join([table([1, 2]), *mixed]))
    return path


@pytest.mark.parametrize("size", [188, 192, 204])
def test_programs_are_found_in_all_sizes_of_packets(tmp_path: Path, size: int) -> None:
    data = two_programs(tmp_path).read_bytes()
    packets = [data[at : at + PACKET] for at in range(0, len(data), PACKET)]
    changed = {188: packets, 192: [bytes(4) + each for each in packets], 204: [each + bytes(16) for each in packets]}
    stream = io.BytesIO(b"".join(changed[size]))
    stream.seek(7)
    assert programs(stream) == [{0x100, 0x101}, {0x200, 0x201}]
    assert stream.tell() == 7


@given(st.binary(max_size=2000), st.integers(0, 3))
def test_whatever_stands_there_is_no_error(data: bytes, count: int) -> None:
    programs(io.BytesIO(data))
    programs(io.BytesIO(table([1, 2]) * count + (b"G\x50\1\x10\0\2" + data).ljust(PACKET, b"\0")[:PACKET] * 9))


def test_only_the_main_program_is_kept(tmp_path: Path) -> None:
    source = two_programs(tmp_path)
    result = upscale_video(source, tmp_path / "b.mkv", shared_upscaler(clip=False))
    assert any("2 programs" in note for note in result.notes)
    with av.open(str(tmp_path / "b.mkv")) as container:
        assert [stream.type for stream in container.streams] == ["video", "audio"]
        number = 1 if container.streams.video[0].width == 192 else 2
    kept = videos.packets_of(tmp_path / "b.mkv", "audio")
    wanted = videos.packets_of(source, "audio", number - 1)
    assert [data for _, data in kept] == [data for _, data in wanted]
