"""Upscale a folder of images to every format, and print what was lost without a note, and what failed.

    python -m tests.media.survey_images FOLDER [--formats png,jpeg] [--most 200]

Outside continuous integration: it is for public collections of test images. Sources and results are read by ExifTool,
which shares no code with Paragon and must be installed. What failed is listed by its words, so that sound files that
are refused are seen; with ``--quiet`` only losses are.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paragon_core.errors import ParagonError
from paragon_core.media.formats import EXTENSIONS, FORMATS, WRITABLE
from paragon_core.media.images import read_header
from paragon_core.media.jobs import Job, run
from paragon_core.upscaling.upscaler import Upscaler

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from paragon_core.media.formats import FormatName
    from paragon_core.media.jobs import JobResult

#: Larger images take long and show nothing more.
_LONGEST_SIDE = 700
#: Groups of ExifTool's tags whose values must come through, and a word of the note if they do not.
_DESCRIPTIONS = {"IFD0": "EXIF", "ExifIFD": "EXIF", "GPS": "EXIF", "IPTC": "IPTC", "XMP": "XMP", "PNG": "text"}
#: Formats that keep what the colours mean where ExifTool does not look.
_COLOURS_INSIDE = frozenset({"JXL", "JXL Codestream", "EXR"})
#: Words of the notes on single tags.
_TOLD_AS = {"GDALMetadata": "GeoTIFF", "ImageOffset": "position", "ICC_Profile": "profile"}
#: What describes the storage or the size, and rightly differs.
_STRUCTURE = frozenset(
    (
        *(
            "ImageWidth",
            "ImageHeight",
            "ExifImageWidth",
            "ExifImageHeight",
            "BitsPerSample",
            "Compression",
            "Orientation",
        ),
        *("PhotometricInterpretation", "StripOffsets", "StripByteCounts", "SamplesPerPixel", "RowsPerStrip"),
        *(
            "PlanarConfiguration",
            "Predictor",
            "SampleFormat",
            "XResolution",
            "YResolution",
            "ResolutionUnit",
            "TileWidth",
        ),
        *("TileLength", "TileOffsets", "TileByteCounts", "ExtraSamples", "FillOrder", "SubfileType", "PageNumber"),
        *("ColorMap", "T4Options", "T6Options", "YCbCrSubSampling", "YCbCrPositioning", "YCbCrCoefficients"),
        *(
            "ReferenceBlackWhite",
            "InkSet",
            "NumberOfInks",
            "JPEGTables",
            "MinSampleValue",
            "MaxSampleValue",
            "DotRange",
        ),
        *("ColorType", "Filter", "Interlace", "BitDepth", "ProfileName", "Palette", "Transparency", "BackgroundColor"),
        *("Gamma", "WhitePointX", "WhitePointY", "SRGBRendering", "SignificantBits", "PaletteHistogram", "PixelUnits"),
        *(
            "RedX",
            "RedY",  # codespell:ignore
            "GreenX",
            "GreenY",
            "BlueX",
            "BlueY",
            "OldSubfileType",
            "Thresholding",
            "GrayResponseUnit",
        ),
        *("AnimationFrames", "AnimationPlays", "ModifyDate", "HalftoneHints", "InkNames", "WhitePoint", "CleanFaxData"),
        *("PrimaryChromaticities", "TransferFunction", "XPosition", "YPosition", "FreeOffsets", "FreeByteCounts"),
        *("ThumbnailOffset", "ThumbnailLength", "GrayResponseCurve", "XMPToolkit", "InteropOffset", "ExifVersion"),
        *(
            "StripRowCounts",
            "BadFaxLines",
            "ConsecutiveBadFaxLines",
            "ThumbnailImage",
            "PaletteColors",
            "TargetPrinter",
        ),
        *("ThumbnailTIFF", "PreviewImage", "ExifByteOrder", "XMP", "RasterPadding", "ColorSpace", "ExifImageSize"),
        *("PreviewImageStart", "PreviewImageLength", "OtherImage", "OtherImageStart", "OtherImageLength"),
        *(
            "JPEGQTables",
            "JPEGDCTables",
            "JPEGACTables",
            "JPEGProc",
            "JPEGRestartInterval",
            "SMinSampleValue",
            "SMaxSampleValue",
        ),
    )
)
#: Groups of XMP for what follows the first image in a file.
_APPENDED = frozenset({"hdrgm", "Container", "GContainer", "Item", "GCamera", "HDRGainMap"})


@dataclass(frozen=True, kw_only=True)
class Loss:
    """Something that a result has no more, and no note says so."""

    source: Path
    """The file that was read."""
    format: str
    """The format of the result."""
    what: str
    """What is lost, in words."""


def survey(
    sources: Sequence[Path], formats: Sequence[FormatName], folder: Path
) -> Iterator[tuple[list[Loss], list[JobResult]]]:
    """Upscale files and compare.

    Args:
        sources: image files.
        formats: names in `FORMATS`.
        folder: an empty folder for the results.

    Yields:
        For each format what was lost without a note, and what failed.

    """
    before = _tags(sources)
    with Upscaler("realtime-2x", backend="onnxruntime", precision="fp32") as upscaler:
        for name in formats:
            extension = FORMATS[name].extensions[0]
            jobs = [
                Job(source=source, target=folder / name / f"{number}{extension}")
                for number, source in enumerate(sources)
            ]
            results = run(jobs, upscaler, scale=2, overwrite=True)
            written = [result for result in results if result.error is None]
            losses: list[Loss] = []
            after = _tags([result.job.target for result in written])
            for result in written:
                source, target = result.job.source, result.job.target
                words = _lost(before.get(source, {}), after.get(target, {}), " ".join(result.notes))
                losses += [Loss(source=source, format=name, what=word) for word in words]
            shutil.rmtree(folder / name, ignore_errors=True)
            yield losses, [result for result in results if result.error is not None]


def _tags(paths: Sequence[Path]) -> dict[Path, Mapping[str, Any]]:
    """Return what ExifTool reads, by file."""
    found: dict[Path, Mapping[str, Any]] = {}
    for start in range(0, len(paths), 100):
        some = [str(path) for path in paths[start : start + 100]]
        done = subprocess.run(
            ["exiftool", "-j", "-G1", "-a", "-n", "-q", "-m", "-api", "largefilesupport=1", *some],  # noqa: S607
            capture_output=True,
            check=False,
            timeout=600,
        )
        for entry in json.loads(done.stdout.decode("utf-8", "replace") or "[]"):
            found[Path(entry["SourceFile"])] = entry
    return found


def _lost(before: Mapping[str, Any], after: Mapping[str, Any], notes: str) -> Iterator[str]:
    """Yield what is in one set of tags and not in the other, unless a note tells."""
    yield from _lost_descriptions(before, after, notes)
    if (depth := _depth(before)) > (rest := _depth(after)) and "bits" not in notes and "8 bits" not in notes:
        yield f"{depth} bits per channel became {rest}"
    if (density := _density(before)) and "resolution" not in notes:
        other = _density(after)
        if other is None or any(abs(a - b) > 0.02 * a for a, b in zip(sorted(density), sorted(other), strict=True)):
            yield f"the resolution {density} became {other}"
    if after.get("File:FileType") not in _COLOURS_INSIDE:
        yield from _lost_colours(before, after, notes)


def _lost_colours(before: Mapping[str, Any], after: Mapping[str, Any], notes: str) -> Iterator[str]:
    profile = before.get("ICC_Profile:ProfileDescription")
    if "ICC-header:ProfileClass" in before and "profile" not in notes:
        if "ICC-header:ProfileClass" not in after:
            yield f"the ICC profile ({profile})"
        elif after.get("ICC_Profile:ProfileDescription") != profile and "ICC_Profile:GrayTRC" not in before:
            yield f"the ICC profile {profile} became {after.get('ICC_Profile:ProfileDescription')}"
    code = _code_points(before)
    labelled = "ICC-header:ProfileClass" in after or _code_points(after) == code
    if code not in {None, (1, 13), (2, 2)} and not labelled and not {"colour", "range"} & set(notes.split()):
        yield f"the code points {code} became {_code_points(after)}"
    if (gamma := before.get("PNG:Gamma")) and abs(gamma - 2.2) > 0.02:
        labelled |= "PNG:Gamma" in after
        if not labelled and "colour" not in notes:
            yield f"gamma {gamma}"


def _lost_descriptions(before: Mapping[str, Any], after: Mapping[str, Any], notes: str) -> Iterator[str]:
    values = Counter(_plain(value) for key, value in after.items() if not key.startswith(("File:", "System:")))
    places = ("File:Comment", "PNG:Comment", "ExifIFD:UserComment")
    comment = _plain(next((after[key] for key in places if key in after), ""))
    values[comment] += 1
    for key, value in before.items():
        group, _, name = key.partition(":")
        word = "text" if key == "File:Comment" else _DESCRIPTIONS.get(group.split("-")[0])
        if word is None or name in _STRUCTURE or group in {"PNG-pHYs", "PNG-cICP"}:
            continue
        if word == "XMP" and "gain map" in notes and _APPENDED & set(group.split("-")):
            continue
        word = _TOLD_AS.get(name, word)
        if name == "Comment" and all(_plain(line) in comment for line in str(value).splitlines()):
            continue
        if word not in notes and not values[_plain(value)] and f"{name.lower()}:{_plain(value)}" not in values:
            yield f"{key} = {str(value)[:60]!r}"


def _plain(value: Any) -> str:
    """Return a value to compare; ExifTool guesses how a comment is encoded."""
    return "".join(character for character in str(value) if character.isascii()).replace("?", "").strip("\0 ")


def _depth(tags: Mapping[str, Any]) -> int:
    keys = ("File:BitsPerSample", "PNG:BitDepth", "QuickTime:ImagePixelDepth", "IFD0:BitsPerSample")
    value = next((tags[key] for key in keys if key in tags), 8)
    return int(str(value).split()[0])


def _code_points(tags: Mapping[str, Any]) -> tuple[int, int] | None:
    for group in ("PNG-cICP", "QuickTime"):
        if f"{group}:ColorPrimaries" in tags:
            return tags[f"{group}:ColorPrimaries"], tags[f"{group}:TransferCharacteristics"]
    return None


def _density(tags: Mapping[str, Any]) -> tuple[float, float] | None:
    """Return pixels per inch."""
    metre = 0.0254
    for x, y, unit, factors in (
        ("PNG-pHYs:PixelsPerUnitX", "PNG-pHYs:PixelsPerUnitY", "PNG-pHYs:PixelUnits", {1: metre}),
        ("JFIF:XResolution", "JFIF:YResolution", "JFIF:ResolutionUnit", {1: 1.0, 2: 2.54}),
        ("IFD0:XResolution", "IFD0:YResolution", "IFD0:ResolutionUnit", {2: 1.0, 3: 2.54}),
        ("File:PixelsPerMeterX", "File:PixelsPerMeterY", "", {0: metre}),
    ):
        factor = factors.get(tags.get(unit, 0))
        if factor and isinstance(tags.get(x), int | float) and isinstance(tags.get(y), int | float) and tags[x] > 0:
            density = (tags[x] * factor, tags[y] * factor)
            return density if min(density) >= 1 else None
    return None


def _usable(folder: Path, most: int) -> list[Path]:
    """Return images of a bearable size, and those whose size cannot be read, since they shall be refused in words."""
    found = []
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in EXTENSIONS or not path.is_file():
            continue
        try:
            if max(read_header(path).size) > _LONGEST_SIDE:
                continue
        except ParagonError:
            pass
        found.append(path)
    return found[:most]


def _without_name(failure: JobResult) -> str:
    """Return what failed in words that are the same for every file."""
    return str(failure.error).replace(str(failure.job.source), "FILE").replace(str(failure.job.target), "RESULT")


def main(argv: Sequence[str] | None = None) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="+", help="folder of images, searched with those below")
    parser.add_argument("--formats", default=",".join(WRITABLE), help="formats of the results")
    parser.add_argument("--most", type=int, default=10_000, metavar="N", help="number of files at most")
    parser.add_argument("--quiet", action="store_true", help="do not list what failed")
    options = parser.parse_args(argv)
    wanted = options.formats.split(",")
    formats = [name for name in WRITABLE if name in wanted]
    if unknown := set(wanted) - set(formats):
        parser.error(f"unknown formats: {', '.join(sorted(unknown))}")
    if shutil.which("exiftool") is None:
        parser.error("ExifTool is not installed: apt install libimage-exiftool-perl, or see exiftool.org")
    sources = [path for folder in options.folder for path in _usable(folder, options.most)][: options.most]
    lost, failed = 0, dict[str, None]()
    with tempfile.TemporaryDirectory() as name:
        for losses, failures in survey(sources, formats, Path(name)):
            lost += len(losses)
            for loss in losses:
                sys.stdout.write(f"{loss.source} to {loss.format}: {loss.what}\n")
            for words in (_without_name(failure) for failure in failures):
                if words not in failed and not options.quiet:
                    sys.stdout.write(f"failed: {words}\n")
                failed[words] = None
            sys.stdout.flush()
    sys.stdout.write(f"{len(sources)} files, {lost} losses without a note, {len(failed)} ways to fail\n")
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
