"""Upscales each video of a folder and tells what was lost without a note, and what failed.

``python -m tests.media.video.survey_videos FOLDER [--keep FOLDER] [--seconds 1]``. It needs ffprobe, which reads
sources and results by itself. Each video is upscaled in a process of its own, so that a crash is told as well.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.fresh_python import PROGRAMS, run

EXTENSIONS = (".mp4", ".mkv")
#: Seconds by which times may differ: what the coarsest unit of a container rounds, the end of the last frame, and the
#: first packet of sound, which may only fill its decoder.
ROUNDING = 0.0021
END = 0.06
SOUND = 0.15
#: Seconds that one video may take.
LIMIT = 300


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What ffprobe says of a file."""

    times: list[float]
    """When frames are shown."""
    end: float
    """When the last one ends."""
    size: tuple[int, int]
    """Width and height of frames as players show them."""
    colours: dict[str, str]
    """Range, matrix, primaries, transfer."""
    hdr: set[str]
    """Side data of the first frames."""
    streams: list[dict[str, Any]]
    """The other streams."""
    sound_ahead: float | None
    """Seconds from the first packet of sound to the first frame."""
    chapters: list[str]
    """Their titles."""
    names: dict[str, str]
    """What is told of the whole."""


def probed(path: Path, seconds: float | None) -> Facts | None:
    """Return what ffprobe says; None if it cannot read it, or finds no video."""
    command = [
        "ffprobe",
        "-v",
        "quiet",
        "-of",
        "json",
        "-show_format",
        "-show_streams",
        "-show_chapters",
        "-show_packets",
    ]
    found = _json([*command, str(path)])
    streams = found.get("streams", [])
    videos = [each for each in streams if each.get("codec_type") == "video" and not each["disposition"]["attached_pic"]]
    if not videos:
        return None
    video = max(videos, key=lambda each: (each["disposition"]["default"], each.get("width", 0) * each.get("height", 0)))
    start = max(float(found["format"].get("start_time") or 0), 0.0)
    frames = _json(
        ["ffprobe", "-v", "quiet", "-of", "json", "-select_streams", str(video["index"]), "-show_frames", str(path)]
    ).get("frames", [])
    stamps = [
        (_number(each.get("best_effort_timestamp_time")), _number(each.get("pkt_duration_time"))) for each in frames
    ]
    known = sorted((time, duration or 0.0) for time, duration in stamps if time is not None)
    wanted = [each for each in known if seconds is None or each[0] < start + seconds]
    sides = {side["side_data_type"] for frame in frames[:2] for side in frame.get("side_data_list", [])}
    audio = [each["index"] for each in streams if each.get("codec_type") == "audio"]
    sound = [_number(each.get("pts_time")) for each in found.get("packets", []) if each["stream_index"] in audio[:1]]
    first = next((time for time in sound if time is not None), None)
    turned = any(abs(int(side.get("rotation", 0))) % 180 == 90 for side in video.get("side_data_list", []))
    size = video["width"], video["height"]
    stated = float(video.get("start_time") or 0) + float(video.get("duration") or 0)  # where frames do not say it
    end = max(wanted[-1][0] + wanted[-1][1], stated if seconds is None else 0.0) if wanted else 0.0
    return Facts(
        times=[time for time, _ in wanted],
        end=end,
        size=size[::-1] if turned else size,
        colours={
            key: video[key]
            for key in ("color_range", "color_space", "color_primaries", "color_transfer")
            if video.get(key, "unknown") not in {"unknown", "reserved"}
        },
        hdr={side for side in sides if "Mastering" in side or "light level" in side},
        streams=[each for each in streams if each is not video],
        sound_ahead=None if first is None or not wanted else wanted[0][0] - first,
        chapters=[each.get("tags", {}).get("title", "") for each in found.get("chapters", [])],
        names={key.lower(): text for key, text in found["format"].get("tags", {}).items()},
    )


def losses(before: Facts, after: Facts, notes: list[str], *, all_of_it: bool) -> list[str]:
    """Return what is not in the result as it is in the source, and no note tells of."""
    told = " ".join(notes).lower()
    result = _lost_times(before, after, all_of_it=all_of_it and "cut off" not in told)
    if {2 * side + 2 * side % 2 for side in before.size} != set(after.size) and "continued" not in told:
        result.append(f"size {before.size} became {after.size}")
    for key, value in before.colours.items():
        if after.colours.get(key) != value and not _is_default(key, value, after):
            result.append(f"{key} {value} became {after.colours.get(key)}")
    result += [f"{side} is gone" for side in before.hdr - after.hdr if "hdr10" not in told]
    result += _lost_streams(before, after, told)
    result += [f"chapter {title} is gone" for title in before.chapters if all_of_it and title not in after.chapters]
    skipped = {"encoder", "major_brand", "minor_version", "compatible_brands", "creation_time", "duration", "software"}
    for key, value in before.names.items():
        if key not in skipped and after.names.get(key) != value:
            result.append(f"the {key} {value!r} became {after.names.get(key)!r}")
    return result


def _lost_times(before: Facts, after: Facts, *, all_of_it: bool) -> list[str]:
    if not before.times or not after.times:
        return [] if before.times == after.times else ["the times of one cannot be read"]
    result = []
    if len(before.times) != len(after.times):
        result.append(f"{len(before.times)} frames became {len(after.times)}")
    else:
        news, olds = ([time - facts.times[0] for time in facts.times] for facts in (after, before))
        moved = max(abs(new - old) for new, old in zip(news, olds, strict=True))
        if moved > ROUNDING:
            result.append(f"frames moved by up to {moved:.3f} s")
        was, lasts = before.end - before.times[0], after.end - after.times[0]
        if all_of_it and abs(lasts - was) > END:
            result.append(f"it lasts {lasts:.3f} s, not {was:.3f}")
    if before.sound_ahead is not None and after.sound_ahead is not None:
        moved = abs(before.sound_ahead - after.sound_ahead)
        if moved > SOUND:
            result.append(f"sound moved by {moved:.3f} s")
    return result


def _lost_streams(before: Facts, after: Facts, told: str) -> list[str]:
    result = []
    left = list(after.streams)
    for stream in before.streams:
        kind, tags = stream.get("codec_type", "unknown"), _tags(stream)
        fitting = [each for each in left if each.get("codec_type") == kind and _tags(each)[0] in {tags[0], "und"}]
        if not fitting:
            words = {"audio": "sound track", "subtitle": "subtitle", "video": "video track", "attachment": "attached"}
            if words.get(kind, kind) not in told and "main one" not in told and kind != "data":
                result.append(f"{kind} {stream.get('codec_name')} {tags} is gone")
            continue
        match = fitting[0]
        left.remove(match)
        if tags != _tags(match):
            result.append(f"{kind} {tags} became {_tags(match)}")
        changed = stream.get("codec_name") != match.get("codec_name")
        if changed and kind in {"audio", "subtitle"} and stream.get("codec_name", "") not in told:
            result.append(f"{kind} {stream.get('codec_name')} became {match.get('codec_name')}")
        roles = [
            key for key, value in stream["disposition"].items() if value and key not in {"default", "attached_pic"}
        ]
        lost = [key for key in roles if not match["disposition"][key]]
        if lost:
            result.append(f"{kind} is no longer {lost}")
    return result


def _tags(stream: dict[str, Any]) -> tuple[str, str]:
    tags = {key.lower(): text for key, text in stream.get("tags", {}).items()}
    handler = tags.get("handler_name", "")
    name = tags.get("title") or ("" if handler.lower().endswith("handler") else handler)
    return tags.get("language", "und"), name


def _is_default(key: str, value: str, after: Facts) -> bool:
    """Tell whether a result that does not say it means the same: RGB that became YCbCr, and the limited range."""
    return (key == "color_range" and value == "tv" and key not in after.colours) or value in {"gbr", "pc"}


def _number(text: str | None) -> float | None:
    try:
        return float(text or "")
    except ValueError:
        return None


def _json(command: list[str]) -> dict[str, Any]:
    done = subprocess.run(command, capture_output=True, check=False, timeout=LIMIT)
    try:
        found: dict[str, Any] = json.loads(done.stdout or "{}")
    except ValueError:
        return {}
    return found


def survey(source: Path, folder: Path, seconds: float | None) -> list[str]:
    """Upscale one video into the formats that can be written, and return a line for each defect."""
    targets = [folder.absolute() / f"{source.name}{extension}" for extension in EXTENSIONS]
    program = PROGRAMS / "surveys_a_video.py"
    try:
        length = "all" if seconds is None else seconds
        done = run(program, source.absolute(), length, *targets, check=False, timeout=LIMIT)
    except subprocess.TimeoutExpired:
        return ["TIME it took too long"]
    answers = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    lines = []
    if len(answers) < len(targets):
        lines.append(f"CRASH code {done.returncode}: {(done.stderr.strip().splitlines() or [''])[-1]}")
    before = probed(source, seconds)
    for target, answer in zip(targets, answers, strict=False):
        if "error" in answer:
            if before is not None and before.times:
                lines.append(f"FAILED {target.suffix}: {answer['error']}")
            continue
        after = probed(target, None)
        lines += [f"note {target.suffix}: {note}" for note in answer["notes"]]
        if before is None or after is None:
            lines.append(f"LOST {target.suffix}: cannot be compared")
            continue
        found = losses(before, after, answer["notes"], all_of_it=seconds is None)
        lines += [f"LOST {target.suffix}: {loss}" for loss in found]
    return lines


def main() -> int:
    """Survey the videos that are named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("paths", nargs="+", type=Path, metavar="FOLDER|FILE")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="where the results stay")
    parser.add_argument("--seconds", type=float, help="upscale only the beginning of each [all]")
    parser.add_argument("--quiet", action="store_true", help="print no notes")
    arguments = parser.parse_args()
    sources = [
        path
        for given in arguments.paths
        for path in (sorted(each for each in given.rglob("*") if each.is_file()) if given.is_dir() else [given])
    ]
    defects = 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for source in sources:
            lines = survey(source, folder, arguments.seconds)
            bad = [line for line in lines if not line.startswith("note")]
            defects += len(bad)
            shown = bad if arguments.quiet else lines
            print(  # noqa: T201 - what it is for
                "\n".join([f"{source.name}: {'ok' if not bad else ''}", *(f"  {line}" for line in shown)]), flush=True
            )
    print(f"{len(sources)} videos, {defects} defects")  # noqa: T201 - as above
    return 1 if defects else 0


if __name__ == "__main__":
    sys.exit(main())
