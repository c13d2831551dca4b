"""Transparency: the frame in the frame property ``_Alpha``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import vapoursynth as vs
import vsutil

from paragon_core.errors import InputError
from vs_paragon.modify_frames import modify_frames

if TYPE_CHECKING:
    import numpy.typing as npt

    from paragon_core.upscaling.upscaler import Upscaler

PROPERTY: Final = "_Alpha"


def with_upscaled_alpha(result: vs.VideoNode, clip: vs.VideoNode, upscaler: Upscaler) -> vs.VideoNode:
    """Return ``result`` with the transparency of ``clip``, upscaled; only for frames that have one.

    It passes through `Upscaler.upscale_alpha`, which keeps what is opaque opaque. Its values span the whole range of
    its format, whatever it is labelled as, and it keeps its properties.
    """

    def attach(n: int, inputs: list[vs.VideoFrame]) -> vs.VideoFrame:
        opaque, source = inputs
        alpha = _alpha_of(n, source)
        upscaled = vs.core.create_video_frame(alpha.format, result.width, result.height)
        _write(upscaler.upscale_alpha(_read(alpha)), upscaled)
        # Up to R77 frames carry the old name of _Range as well, and bindings turn it around when they write it.
        upscaled.props.update({name: alpha.props[name] for name in alpha.props if name != "_ColorRange"})
        transparent = opaque.copy()
        transparent.props[PROPERTY] = upscaled
        return transparent

    return modify_frames(result, [result, clip], attach)


def _alpha_of(n: int, frame: vs.VideoFrame) -> vs.VideoFrame:
    alpha = frame.props[PROPERTY]
    hint = "attach a grey clip of the same size with std.ClipToProp"
    if not isinstance(alpha, vs.VideoFrame):
        raise InputError(f"frame {n}: the transparency (frame property {PROPERTY}) is not a frame", hint=hint)
    if alpha.format.color_family is not vs.GRAY or (alpha.width, alpha.height) != (frame.width, frame.height):
        raise InputError(
            f"frame {n}: the transparency ({alpha.width}x{alpha.height} {alpha.format.name}) does not fit the clip",
            hint=hint,
        )
    return alpha


def _read(alpha: vs.VideoFrame) -> npt.NDArray[np.float32]:
    """Return the values of a grey frame as 0..1, [h, w]."""
    values = np.asarray(alpha[0])
    if alpha.format.sample_type is vs.FLOAT:
        return values.astype(np.float32)
    return np.asarray(values / vsutil.get_peak_value(alpha), dtype=np.float32)


def _write(values: npt.NDArray[np.float32], alpha: vs.VideoFrame) -> None:
    """Set a grey frame to values of 0..1, [h, w]; integers are rounded to nearest."""
    target: npt.NDArray[Any] = np.asarray(alpha[0])
    if alpha.format.sample_type is vs.FLOAT:
        target[...] = values
    else:
        target[...] = np.rint(np.clip(values, 0, 1).astype(np.float64) * vsutil.get_peak_value(alpha))
