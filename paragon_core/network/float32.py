"""Keep float32 whole on NVIDIA cards, call by call.

PyTorch has one switch for TF32 (float32 of which ten bits are taken) in the whole process: turned off and on again
around a network, it changes what other threads and the program around us compute, and they change it for us. The
operator below the convolution takes it as an argument instead.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    Pair = int | tuple[int, ...]


class WholeFloat32(TorchFunctionMode):
    """Within the block, convolutions and linear layers that this thread calls never use TF32."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 - what the function returns
        """Replace the functions in which TF32 would be used."""
        del types
        replacements: dict[Callable[..., Any], Callable[..., Any]] = {
            torch.conv2d: _convolved,
            functional.linear: _linear,
        }
        replacement = replacements.get(func, func)
        return replacement(*args, **(kwargs or {}))


def whole_float32(device: torch.device) -> contextlib.AbstractContextManager[Any]:
    """Return the block in which networks on this device compute."""
    return WholeFloat32() if device.type == "cuda" else contextlib.nullcontext()


def _convolved(  # noqa: PLR0917 - torch's signature
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Pair = 1,
    padding: Pair = 0,
    dilation: Pair = 1,
    groups: int = 1,
) -> Tensor:
    """Return what `torch.conv2d` does, for paddings in numbers."""
    result: Tensor = torch.ops.aten._convolution(  # noqa: SLF001 - the only operator that takes the last argument
        x,
        weight,
        bias,
        nn.modules.utils._pair(stride),  # noqa: SLF001 - torch has no other name for it
        nn.modules.utils._pair(padding),  # noqa: SLF001 - likewise
        nn.modules.utils._pair(dilation),  # noqa: SLF001 - likewise
        False,  # noqa: FBT003 - transposed
        (0, 0),
        groups,
        torch.backends.cudnn.benchmark,
        torch.backends.cudnn.deterministic,
        torch.backends.cudnn.enabled,
        False,  # noqa: FBT003 - allow_tf32
    )
    return result


def _linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return what `functional.linear` does: in float32 as a convolution, because products of matrices take no argument.

    Rows become the height of an image of one column whose channels lie next to each other.
    """
    if x.dtype != torch.float32:
        return functional.linear(x, weight, bias)
    rows = x.reshape(1, -1, 1, x.shape[-1]).permute(0, 3, 1, 2)
    result = _convolved(rows, weight[:, :, None, None], bias)
    return result.permute(0, 2, 3, 1).reshape(*x.shape[:-1], weight.shape[0])
