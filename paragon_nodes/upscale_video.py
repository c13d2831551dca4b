"""The node "Upscale Video (ParagonSR2)"."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Literal, get_args

import comfy.utils
from comfy_api.input_impl import VideoFromFile
from comfy_api.latest import io

from paragon_core.errors import InputError
from paragon_core.media.video.encoding import VideoEncoding
from paragon_core.media.video.upscale import upscale_video
from paragon_core.upscaling.temporal import STRONGEST
from paragon_nodes.frames import paragon_model
from paragon_nodes.messages import translate_errors
from paragon_nodes.target_size import check_option, output_size, size_options
from paragon_nodes.temporary_video import TemporaryPath, new_path
from paragon_nodes.tiles import check_tile_size, tile_input
from paragon_nodes.video_source import is_deep, opened

if TYPE_CHECKING:
    from paragon_nodes.upscale_model import UpscaleModel

#: What the core writes into MP4, which Save Video copies.
Codec = Literal["auto", "h264", "hevc", "av1"]

#: The size that the network makes.
_BY_MODEL = "by the model"

_LOG = logging.getLogger(__name__)


class ParagonUpscaleVideo(io.ComfyNode):
    """Upscales a video frame by frame, from one file to another."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Describe the node."""
        return io.Schema(
            node_id="ParagonUpscaleVideo",
            display_name="Upscale Video (ParagonSR2)",
            category="video",
            description="Upscales a video with a ParagonSR2 network, by the factor of the network or to a size of your "
            "choice. Frames are read, upscaled and written one after the other, so that a video of any length fits "
            "into memory. Sound and frame rate stay.",
            search_aliases=["paragon", "super resolution", "enlarge video"],
            accept_all_inputs=True,  # else a size that is none would be taken for one that is left out
            inputs=[
                io.UpscaleModel.Input(
                    "upscale_model",
                    tooltip='From the node "Load ParagonSR2 Model", or core\'s "Load Upscale Model".',
                ),
                io.Video.Input("video", tooltip="From a file, trimmed or not, or made of images."),
                io.Float.Input(
                    "temporal",
                    default=0.0,
                    min=0.0,
                    max=STRONGEST,
                    step=0.05,
                    optional=True,
                    tooltip="Smooths detail over time, against flicker: how much of it comes from the frames before. "
                    "0 takes each frame by itself, 0.2 is usual, much more leaves ghosts behind what moves. It starts "
                    "again where the scene changes.",
                ),
                io.Combo.Input(
                    "codec",
                    options=list(get_args(Codec)),
                    default="auto",
                    optional=True,
                    tooltip="How the result is compressed: h264 plays everywhere and has 8 bits, hevc and av1 are "
                    "smaller and slower and keep 10 bits. auto is hevc for videos of more than 8 bits (HDR), else "
                    "h264. Save Video keeps it as it is when its own codec is auto.",
                ),
                io.Int.Input(
                    "crf",
                    default=0,
                    min=0,
                    max=63,
                    optional=True,
                    tooltip="How much the compression may lose: lower is better and larger. 0 chooses what is hardly "
                    "visible: 18 for h264, 20 for hevc, 26 for av1. The most is 51, for av1 63.",
                ),
                tile_input(),
                io.DynamicCombo.Input(
                    "size",
                    options=_sizes(),
                    optional=True,
                    tooltip="The size of the result: by the model, that is 2 or 4 times as large; or by a factor, the "
                    "short or the long edge, a box of width and height to fit into, or megapixels. The network runs as "
                    "often as needed, and the rest is resized away.",
                ),
            ],
            outputs=[io.Video.Output(display_name="video", tooltip="The upscaled video.")],
        )

    @classmethod
    def validate_inputs(
        cls, codec: str | None = "auto", crf: int | None = 0, tile_size: int | None = 0, size: object = None
    ) -> Literal[True]:
        """Refuse what cannot be, before anything runs; see `ParagonUpscale.validate_inputs`."""
        with translate_errors():
            check_option(size, _sizes())
            if codec is not None and codec not in get_args(Codec):
                raise InputError(f"there is no codec {codec!r}", hint=f"choose one of {', '.join(get_args(Codec))}")
            if codec is not None and crf:
                _encoding("h264" if codec == "auto" else codec, crf)
            check_tile_size(tile_size)
        return True

    @classmethod
    def execute(
        cls,
        *,
        upscale_model: UpscaleModel,
        video: Any,  # noqa: ANN401 - ComfyUI's VideoInput
        temporal: float = 0.0,
        codec: Codec = "auto",
        crf: int = 0,
        tile_size: int = 0,
        size: dict[str, Any] | str = _BY_MODEL,
        **_others: object,
    ) -> io.NodeOutput:
        """Upscale it into a file."""
        with translate_errors():
            chosen = size if isinstance(size, dict) else {"size": size}
            wanted = None if chosen["size"] == _BY_MODEL else output_size(chosen["size"], chosen)
            # Without a codec, the core goes by the bits of the frames, of which videos made of images have 16 here.
            encoding = _encoding(
                None if codec == "auto" and is_deep(video) else "h264" if codec == "auto" else codec, crf
            )
            # Not clipped: most videos can hold a little more than black and white.
            model = paragon_model(upscale_model)
            upscaler = model.upscaler(tile_size, clip=False)
            target = TemporaryPath(new_path(".mp4"))
            bar = comfy.utils.ProgressBar(1)

            def progress(done: int, total: int | None) -> None:
                model.interrupt()
                bar.update_absolute(done, total or done + 1)

            with opened(video) as source:
                result = upscale_video(
                    source.file,
                    target.path,
                    upscaler,
                    size=wanted,
                    temporal=temporal,
                    encoding=encoding,
                    start=source.start,
                    duration=source.duration,
                    progress=progress,
                )
            for note in (*source.notes, *result.notes):
                _LOG.info("Upscale Video (ParagonSR2): %s", note)
            return io.NodeOutput(VideoFromFile(target))


def _sizes() -> list[io.DynamicCombo.Option]:
    return [io.DynamicCombo.Option(_BY_MODEL, []), *size_options()]


def _encoding(codec: Any, crf: int) -> VideoEncoding:  # noqa: ANN401 - one of Codec, which the core checks
    return VideoEncoding(codec=codec, crf=crf or None)
