"""The description of a job that makes a video in chunks: everything that its result depends on, and its chunks."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from paragon_core import __version__
from paragon_core.backends import BACKENDS
from paragon_core.errors import MediaError
from paragon_core.media.pyav import pyav
from paragon_core.media.sources import unreadable
from paragon_core.media.video.chunks.plan import Chunk, ChunkPlan
from paragon_core.media.video.encoding import VideoEncoding
from paragon_core.media.video.time_range import TimeRange
from paragon_core.upscaling.output_size import OutputSize

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from paragon_core.media.video.formats import Deinterlace
    from paragon_core.media.video.pipeline import FrameOptions
    from paragon_core.upscaling.upscaler import Upscaler

#: Raised when what older versions of Paragon have begun cannot be continued.
SCHEMA: Final = 1

#: What follows the target's name in that of the folder.
_FOLDER: Final = ".paragon-job"

_BLOCK: Final = 1 << 20


@dataclass(frozen=True, kw_only=True)
class SourceIdentity:
    """Which file a source is, by its content."""

    bytes: int
    """Its size."""
    sha256: str
    """Hex digest of all of it."""
    modified: int
    """When it was last written, in nanoseconds since 1970; another time alone changes nothing."""

    @classmethod
    def of(cls, path: Path) -> Self:
        """Read a file.

        Raises:
            MediaError: it cannot be read.

        """
        try:
            status = path.stat()
            digest = hashlib.sha256()
            with path.open("rb") as stream:
                while block := stream.read(_BLOCK):
                    digest.update(block)
        except OSError as error:
            raise unreadable(path, error) from error
        return cls(bytes=status.st_size, sha256=digest.hexdigest(), modified=status.st_mtime_ns)

    def is_of(self, path: Path) -> bool:
        """Return whether a file is this one; it is read only where its time is another.

        Raises:
            MediaError: it cannot be read.

        """
        try:
            status = path.stat()
        except OSError as error:
            raise unreadable(path, error) from error
        if status.st_size != self.bytes:
            return False
        return status.st_mtime_ns == self.modified or self.of(path).sha256 == self.sha256


@dataclass(frozen=True, kw_only=True)
class NetworkIdentity:
    """Which network computes, and how: what changes pixels."""

    model: str
    """Its name, for people."""
    sha256: str
    """Hex digest of its file."""
    scale: int
    """Its factor along both axes."""
    upsampler_alpha: float
    """Its setting of this name."""
    window_size: int
    """Likewise."""
    backend: str
    """Name of the runtime."""
    version: str
    """The runtime's version; empty for one of the caller's own."""
    precision: str
    """Arithmetic for frames."""
    padding: str
    """What it sees beyond the border."""
    tile: str
    """How frames are tiled."""
    fused: bool
    """Whether its fused form runs."""
    clip: bool
    """Whether values are clipped before frames are encoded."""

    @classmethod
    def of(cls, upscaler: Upscaler) -> Self:
        """Describe an upscaler; with the precision "auto", that of frames may be measured now."""
        spec, options = upscaler.model.spec, upscaler.options
        backend = BACKENDS.get(upscaler.backend)
        return cls(
            model=upscaler.model.name,
            sha256=upscaler.model.sha256,
            scale=upscaler.scale,
            upsampler_alpha=spec.upsampler_alpha,
            window_size=spec.window_size,
            backend=upscaler.backend,
            version="" if backend is None else backend.probe().version,
            precision=upscaler.precision_of("float32"),
            padding=options.padding,
            tile=str(options.tile_size),
            fused=options.fused,
            clip=options.clip,
        )


@dataclass(frozen=True, kw_only=True)
class VideoSettings:
    """What is asked for of a video."""

    size: OutputSize | None = None
    """The size that frames get, instead of the model's scale."""
    temporal: float = 0.0
    """Strength of smoothing over time, 0 to 0.9."""
    encoding: VideoEncoding = field(default_factory=VideoEncoding)
    """What the result is encoded with."""
    time_range: TimeRange = field(default_factory=TimeRange)
    """The part of the source that is wanted."""
    keep_damaged: bool = False
    """Whether a source whose end is missing is read as far as it goes."""
    deinterlace: Deinterlace = "auto"
    """What is done about interlaced frames; not bob, which makes more frames than there are packets."""
    chunk_frames: int
    """Most frames of a chunk."""

    @classmethod
    def of(cls, frames: FrameOptions, encoding: VideoEncoding, *, chunk_frames: int) -> Self:
        """Return what is asked for by what is made of the frames, and what they are encoded with."""
        return cls(
            size=frames.size,
            temporal=frames.temporal,
            encoding=encoding,
            time_range=frames.time_range,
            keep_damaged=frames.keep_damaged,
            deinterlace=frames.deinterlace,
            chunk_frames=chunk_frames,
        )


@dataclass(frozen=True, kw_only=True)
class VideoJob:
    """A video that is made in chunks; plain data, which can be sent to other processes and machines."""

    source: Path
    """The video, an absolute path."""
    target: Path
    """The file that is made, likewise."""
    identity: SourceIdentity
    """Which content the source has."""
    network: NetworkIdentity
    """What upscales it."""
    settings: VideoSettings
    """What is asked for."""
    versions: Mapping[str, str]
    """Of Paragon and of what decodes and encodes."""
    plan: ChunkPlan
    """Its chunks."""

    @property
    def folder(self) -> Path:
        """Where its chunks are, next to the target."""
        return job_folder(self.target)

    def described(self) -> dict[str, Any]:
        """Return everything as plain values for JSON."""
        return {
            "schema": SCHEMA,
            "source_path": str(self.source),
            "source": asdict(self.identity),
            "network": asdict(self.network),
            "settings": asdict(self.settings),
            "versions": dict(self.versions),
            "by_time": self.plan.by_time,
            "other_bytes": self.plan.other_bytes,
            "columns": [column.name for column in fields(Chunk)],
            "chunks": [[getattr(chunk, column.name) for column in fields(Chunk)] for chunk in self.plan.chunks],
        }

    @classmethod
    def parse(cls, text: str, target: Path) -> Self:
        """Read what `described` returned, as JSON, of the job that makes a file.

        Raises:
            MediaError: it is something else, or of another version of Paragon.

        """
        try:
            told = _of_this_schema(json.loads(text))
            settings = told["settings"]
            size = settings["size"]
            return cls(
                source=Path(told["source_path"]),
                target=target,
                identity=SourceIdentity(**told["source"]),
                network=NetworkIdentity(**told["network"]),
                settings=VideoSettings(
                    **{
                        **settings,
                        "size": size and OutputSize(**{**size, "fit": size["fit"] and tuple(size["fit"])}),
                        "encoding": VideoEncoding(**settings["encoding"]),
                        "time_range": TimeRange(**settings["time_range"]),
                    }
                ),
                versions=told["versions"],
                plan=ChunkPlan(
                    by_time=told["by_time"],
                    other_bytes=told["other_bytes"],
                    chunks=tuple(Chunk(**dict(zip(told["columns"], row, strict=True))) for row in told["chunks"]),
                ),
            )
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            msg = f"{job_folder(target)} was made by another version of Paragon, or is damaged"
            raise MediaError(msg, hint="continue with that version, or begin again with --restart") from error

    def changes(self, network: NetworkIdentity, settings: VideoSettings) -> Iterator[str]:
        """Yield in words what is not as it was when the job was begun.

        Raises:
            MediaError: the source cannot be read.

        """
        if not self.identity.is_of(self.source):
            yield f"{self.source} has other content"
        yield from _differences(asdict(self.network), asdict(network))
        yield from _differences(asdict(self.settings), asdict(settings))
        yield from _differences(dict(self.versions), versions())


def _of_this_schema(told: dict[str, Any]) -> dict[str, Any]:
    if told["schema"] != SCHEMA:
        raise ValueError(told["schema"])
    return told


def _differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    for name in {**before, **now}:
        old, new = before.get(name), now.get(name)
        if isinstance(old, dict) and isinstance(new, dict):
            yield from _differences(old, new)
        elif old != new:
            yield f"{name.replace('_', ' ')} was {_shown(old)} and is now {_shown(new)}"


def _shown(value: Any) -> str:  # noqa: ANN401 - any plain value
    text = "none" if value is None else str(value)
    return f"{text[:12]}..." if len(text) == 64 else text  # noqa: PLR2004 - hex digits of SHA-256


def job_folder(target: Path) -> Path:
    """Return the folder of the job that makes a file."""
    return target.with_name(target.name + _FOLDER)


def target_of_folder(folder: Path) -> Path | None:
    """Return the file that is made from what is in a folder; None where it is no job's."""
    name = folder.name.removesuffix(_FOLDER)
    return folder.with_name(name) if name and name != folder.name else None


def versions() -> dict[str, str]:
    """Return the versions that may change the bytes of a result."""
    av = pyav()
    libraries = {name: ".".join(map(str, av.library_versions[name])) for name in ("libavcodec", "libavformat")}
    return {"paragon": __version__, "av": av.__version__, **libraries}
