"""The passes of a shader: what players read (``//!``), then a template, then the weights."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Final, Literal, cast

from paragon_core.shaders import weights as functions

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from paragon_core.graph.fused_weights import FusedWeights, NanoWeights

Precision = Literal["fp32", "fp16"]

#: Threads along each axis of a group; `common.glsl` has the same number.
GROUP: Final = 16
#: Players run a shader when they enlarge by more than this share of its scale. For less, their own scalers do.
WORTH: Final = 0.6

_TEMPLATES: Final = resources.files("paragon_core") / "shaders" / "templates"


@dataclass(frozen=True, kw_only=True)
class Pass:
    """One compute shader over the source image, each thread for one pixel of it."""

    description: str
    """What it does, for lists of passes and their times in players."""
    templates: Sequence[str]
    """Names of the parts of its text, in order."""
    weights: Sequence[str]
    """Functions that hold its weights."""
    features_from: str | None = None
    """The texture that it reads besides the source; None for the first."""
    features_to: str | None = None
    """The texture that it writes; None for the last, which writes the output."""
    constants: dict[str, int] | None = None
    """What the templates want to know."""


def passes(network: FusedWeights) -> Iterator[Pass]:
    """Yield the passes of a fused realtime network in the order in which they run.

    Features go from one to the next in two textures that take turns.
    """
    blocks = cast("tuple[NanoWeights, ...]", network.blocks)
    for index, block in enumerate(blocks):
        first = index == 0
        yield Pass(
            description=f"{'conv_in, ' if first else ''}block {index + 1}",
            templates=(
                *(("block_from_image",) if first else ("features_in", "block_from_features")),
                "features_out",
                "block",
            ),
            weights=(
                *((functions.conv_in(network.conv_in),) if first else ()),
                functions.expand(block),
                functions.branch(block),
            ),
            features_from=None if first else _texture(index - 1),
            features_to=_texture(index),
        )
    last = len(blocks)
    yield Pass(
        description="conv_mid",
        templates=("features_in", "features_out", "tile", "conv_mid"),
        weights=(functions.conv_mid(network.conv_mid),),
        features_from=_texture(last - 1),
        features_to=_texture(last),
        constants={"REACH": 1},
    )
    yield Pass(
        description="tail, base path",
        templates=("features_in", "tile", "tail"),
        weights=tuple(functions.tail(network)),
        features_from=_texture(last),
        constants={"REACH": 2, "SCALE": network.spec.scale},
    )


def spell_out(each: Pass, network: FusedWeights, *, name: str, precision: Precision) -> str:
    """Return the text of a pass."""
    luma = network.image_channels == 1
    enlarged = network.spec.scale if each.features_to is None else 2
    worth = f"{WORTH * network.spec.scale:g}"
    lines = [
        f"//!DESC [Paragon {name}] {each.description}",
        f"//!HOOK {'LUMA' if luma else 'MAIN'}",
        "//!BIND HOOKED",
        *([f"//!BIND {each.features_from}"] if each.features_from else []),
        *([f"//!SAVE {each.features_to}"] if each.features_to else []),
        f"//!WIDTH HOOKED.w {enlarged} *",
        f"//!HEIGHT HOOKED.h {enlarged} *",
        f"//!COMPONENTS {1 if luma and not each.features_to else 4}",
        f"//!WHEN OUTPUT.w HOOKED.w {worth} * > OUTPUT.h HOOKED.h {worth} * > *",
        f"//!COMPUTE {enlarged * GROUP} {enlarged * GROUP} {GROUP} {GROUP}",
        *([f"#define FEATURES {each.features_from}_raw"] if each.features_from else []),
        *(f"#define {constant} {value}" for constant, value in (each.constants or {}).items()),
    ]
    parts = [precision, "luma" if luma else "rgb", "common", *each.templates]
    templates = [template(f"{part}.glsl") for part in parts]
    return "\n".join([*lines, *templates, "// Weights\n", *each.weights])


def template(file: str) -> str:
    """Return the text of a file in the folder of the templates."""
    return (_TEMPLATES / file).read_text(encoding="utf-8")


def _texture(index: int) -> str:
    """Return the name of the texture behind the block of that number."""
    return f"PARAGON_{'AB'[index % 2]}"
