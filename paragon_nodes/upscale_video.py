"""The node "Upscale Video (ParagonSR2)"."""

from __future__ import annotations

import logging
from typing import Any, Literal, get_args

import comfy.utils
from comfy_api.latest import io

from paragon_core.media.video.encoding import VideoEncoding
from paragon_core.media.video.upscale import upscale_video
from paragon_core.temporal import STRONGEST
from paragon_nodes.frames import paragon_model
from paragon_nodes.messages import explained
from paragon_nodes.temporary_video import TemporaryFile, TemporaryVideo, new_path
from paragon_nodes.upscale import tile_input
from paragon_nodes.upscale_model import UpscaleModel, check_interrupt
from paragon_nodes.video_source import opened

#: What the core writes into MP4, which Save Video copies.
Codec = Literal["h264", "hevc", "av1"]

_LOG = logging.getLogger(__name__)


class ParagonUpscaleVideo(io.ComfyNode):
    """Enlarges a video frame by frame, from one file to another."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Describe the node."""
        return io.Schema(
            node_id="ParagonUpscaleVideo",
            display_name="Upscale Video (ParagonSR2)",
            category="video",
            description="Enlarges a video with a ParagonSR2 network, as often as the network enlarges. Frames are "
            "read, enlarged and written one after the other, so that a video of any length fits into memory. Sound "
            "and frame rate stay.",
            search_aliases=["paragon", "super resolution", "enlarge video"],
            inputs=[
                io.UpscaleModel.Input("upscale_model", tooltip='From the node "Load ParagonSR2 Model".'),
                io.Video.Input("video", tooltip="From a file, trimmed or not, or made of pictures."),
                io.Float.Input(
                    "temporal",
                    default=0.0,
                    min=0.0,
                    max=STRONGEST,
                    step=0.05,
                    optional=True,
                    tooltip="Smooths detail over time, against flicker: how much of it comes from the frames before. "
                    "0 takes each frame by itself, 0.2 is usual, much more leaves ghosts behind what moves. It starts "
                    "anew where the scene changes.",
                ),
                io.Combo.Input(
                    "codec",
                    options=list(get_args(Codec)),
                    default="h264",
                    optional=True,
                    tooltip="How the result is compressed: h264 plays everywhere, hevc and av1 are smaller and slower. "
                    "Save Video keeps it as it is when its own codec is auto.",
                ),
                io.Int.Input(
                    "crf",
                    default=0,
                    min=0,
                    max=63,
                    optional=True,
                    tooltip="How much the compression may lose: lower is better and larger. 0 chooses what is hardly "
                    "visible: 18 for h264, 20 for hevc, 26 for av1.",
                ),
                tile_input(),
            ],
            outputs=[io.Video.Output(display_name="video", tooltip="The enlarged video.")],
        )

    @classmethod
    def execute(
        cls,
        *,
        upscale_model: UpscaleModel,
        video: Any,  # noqa: ANN401 - ComfyUI's VideoInput
        temporal: float = 0.0,
        codec: Codec = "h264",
        crf: int = 0,
        tile_size: int = 0,
    ) -> io.NodeOutput:
        """Enlarge it into a file."""
        with explained():
            # Not clipped: most videos can hold a little more than black and white.
            upscaler = paragon_model(upscale_model).upscaler(tile_size, clip=False)
            target = new_path(".mp4")
            bar = comfy.utils.ProgressBar(1)

            def progress(done: int, total: int | None) -> None:
                check_interrupt()
                bar.update_absolute(done, total or done + 1)

            with opened(video) as source:
                result = upscale_video(
                    source.file,
                    target,
                    upscaler,
                    temporal=temporal,
                    encoding=VideoEncoding(codec=codec, crf=crf or None),
                    start=source.start,
                    duration=source.duration,
                    progress=progress,
                )
            for note in result.notes:
                _LOG.info("Upscale Video (ParagonSR2): %s", note)
            return io.NodeOutput(TemporaryVideo(TemporaryFile(target)))
