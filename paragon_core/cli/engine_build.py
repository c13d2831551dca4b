"""``paragon engine build``: build TensorRT engines ahead of their use, also for other machines."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paragon_core.cli import arguments as options
from paragon_core.cli.console import Console, answer_json
from paragon_core.cli.exit_codes import OK
from paragon_core.cli.progress import ProgressLine, ProgressState

if TYPE_CHECKING:
    from paragon_core.engines import EngineCache, Profile
    from paragon_core.errors import ParagonError
    from paragon_core.upscaling.prebuild import Prebuilt

_EXAMPLES = """\
examples:
  paragon engine build realtime-2x --size 1920x1080        for a video of this size
  paragon engine build realtime-2x --for video.mkv         for the size of this video
  paragon engine build realtime-2x --for photos            for the sizes of these images
  paragon engine build realtime-2x                         one for images of all sizes
  paragon engine build realtime-2x --target sm_86,sm_89    for GPUs of other machines (RTX 30 and 40)

Without a size, the engine takes images from 64x64 to 1920x1920 pixels and is tuned for 1280x720; larger ones go
through it in tiles. No GPU is needed to build.
"""


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "build",
        help="build engines ahead of their use",
        description="Build TensorRT-RTX engines ahead of their use, also for other machines.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", metavar="MODEL", help="a model (see: paragon models) or a checkpoint")
    parser.add_argument(
        "--size",
        type=options.image_size,
        action="append",
        default=[],
        metavar="WxH",
        help="size of the sources, for an engine of that size (and its margin) only; can be given several times",
    )
    parser.add_argument(
        "--range",
        type=options.image_size,
        nargs=3,
        metavar=("MIN", "BEST", "MAX"),
        help="sizes for an engine that takes all from MIN to MAX, tuned for BEST",
    )
    parser.add_argument(
        "--for",
        action="append",
        default=[],
        dest="sources",
        metavar="FOLDER|VIDEO",
        help="build for the sizes of these images, or of this video; can be given several times",
    )
    options.add_padding(parser)
    parser.add_argument("--precision", default="fp16", choices=("fp16", "fp32"), help="of the arithmetic [fp16]")
    parser.add_argument(
        "--io",
        default="uint8",
        choices=("uint8", "float32", "float16"),
        help="what goes in and out: uint8 for images of 8 bits, float32 for all others [uint8]",
    )
    parser.add_argument(
        "--target",
        metavar="SM",
        default="",
        help="the GPUs that it is to run on, such as sm_86,sm_89 [all from sm_80 (RTX 30) on]",
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="print only errors and warnings")
    add_cache(parser)
    options.add_model_settings(parser)
    options.add_json(parser)
    options.add_debug(parser)
    parser.set_defaults(run=run)


def add_cache(parser: argparse.ArgumentParser) -> None:
    """Add ``--cache``."""
    parser.add_argument(
        "--cache", metavar="FOLDER", help="the folder of the cache. Default: PARAGON_CACHE, else the platform's"
    )


def cache_of(arguments: argparse.Namespace) -> EngineCache:
    """Return the cache that the options name."""
    from paragon_core.engines import EngineCache

    return EngineCache(Path(arguments.cache) if arguments.cache else None)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Run the command."""
    from paragon_core.backends import tensorrt_build
    from paragon_core.backends.tensorrt import TensorRtRuntime, elsewhere
    from paragon_core.engines import Target
    from paragon_core.graph.graph_spec import GraphSpec
    from paragon_core.upscaling.prebuild import prebuild

    target = Target.parse(arguments.target) if arguments.target else Target()
    tensorrt_build.installed_version()  # before anything else takes time
    model = options.load_model(arguments.model, arguments)
    cache = cache_of(arguments)
    results = []
    line = ProgressLine(console)
    for profile in _profiles(arguments, console):

        def draw(share: float, doing: str, name: str = profile.name) -> None:
            line.show(ProgressState(share=share, text=f"{name}  {doing}"))

        try:
            engine = prebuild(
                TensorRtRuntime(),
                elsewhere(target),
                model,
                GraphSpec(io=arguments.io),
                profile,
                precision=arguments.precision,
                padding=arguments.padding,
                cache=cache,
                progress=draw,
            )
        finally:
            console.erase()
        results.append(_facts(engine))
        console.say(engine.summary)
    if arguments.json:
        answer_json(results)
    return OK


def _profiles(arguments: argparse.Namespace, console: Console) -> list[Profile]:
    """Return what to build, each once, in the order in which it was asked for."""
    from paragon_core.engines import IMAGES, Profile, profiles_for

    wanted = [Profile.static(size) for size in arguments.size]
    if arguments.range:
        minimum, optimum, maximum = arguments.range
        wanted.append(Profile(minimum=minimum, optimum=optimum, maximum=maximum))
    if arguments.sources:
        from paragon_core.media.sizes import sizes_of

        def unusable(path: Path, error: ParagonError) -> None:
            console.insist(f"paragon: note: {path} is left out: {error}")

        sizes = [size for source in arguments.sources for size in sizes_of(Path(source), unusable=unusable)]
        wanted += profiles_for(sizes)
    return list(dict.fromkeys(wanted or [IMAGES]))


def _facts(engine: Prebuilt) -> dict[str, Any]:
    return {
        "path": str(engine.path),
        "profile": engine.profile.as_json(),
        "built": engine.built,
        "seconds": round(engine.seconds, 2),
        "size": engine.size,
        "sha256": engine.sha256,
    }
