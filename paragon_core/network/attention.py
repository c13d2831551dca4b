"""Self-attention inside windows, in torch, as photo and pro have it."""

from __future__ import annotations

import functools
import logging
import warnings
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from paragon_core.errors import BackendUnavailableError
from paragon_core.models.spec import HEADS

if TYPE_CHECKING:
    from collections.abc import Callable

#: Which of torch's implementations computes the attention; "none" leaves the branch and its tensors out.
AttentionMode = Literal["sdpa", "flex", "none"]

_log = logging.getLogger(__name__)


class Attend:
    """Softmax attention by one of torch's two implementations; one instance serves a whole network.

    "flex" turns into "sdpa" for good, with one line in the log, at the first call that it cannot carry out.
    """

    def __init__(self, mode: AttentionMode) -> None:
        self.mode = mode

    def __call__(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Return ``softmax(q k^T / sqrt(D)) v`` for [N, heads, T, D]; no mask, no position bias (spec §1)."""
        if self.mode == "flex" and not torch.onnx.is_in_onnx_export():
            try:
                return _flex(query, key, value)
            except Exception as reason:  # noqa: BLE001  (a prototype of torch: whatever it raises, sdpa does the same)
                _log.warning("flex attention cannot run here, using sdpa: %s", str(reason).partition("\n")[0])
                self.mode = "sdpa"
        if query.dtype is torch.bfloat16 and query.device.type == "cpu" and torch.is_grad_enabled():
            # The backward pass of torch 2.13 takes 3.5 times as long in bfloat16 as in float32.
            with torch.autocast("cpu", enabled=False):
                wide = functional.scaled_dot_product_attention(query.float(), key.float(), value.float())
            return wide.to(query.dtype)
        return functional.scaled_dot_product_attention(query, key, value)


def _flex(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Run flex attention, compiled where that makes a fused kernel (CUDA)."""
    if query.is_cuda:
        return _compiled_flex()(query, key, value)
    from torch.nn.attention.flex_attention import flex_attention  # noqa: PLC0415  (absent from older torch)

    with warnings.catch_warnings():
        # Says that it is slow without torch.compile; compiling for the CPU would take a C++ compiler and a minute.
        warnings.filterwarnings("ignore", message="flex_attention called without torch.compile")
        result = flex_attention(query, key, value)
    assert isinstance(result, Tensor)  # noqa: S101  (a tuple only when the log-sum-exp is asked for)
    return result


def require_flex(device: torch.device, dtype: torch.dtype) -> None:
    """Find out whether flex attention can be trained with, before a run depends on it.

    torch 2.13 has no backward pass of it for the processor and for MPS.

    Raises:
        BackendUnavailableError: if it cannot; the message holds torch's reason.

    """
    trial = torch.ones(1, HEADS, 16, 16, device=device, dtype=dtype, requires_grad=True)
    try:
        _flex(trial, trial, trial).sum().backward()  # type: ignore[no-untyped-call]
    except Exception as reason:
        msg = f"flex attention cannot be trained on {device}: {str(reason).partition(chr(10))[0]}"
        raise BackendUnavailableError(msg, hint='use attention = "sdpa", which computes the same') from reason


@functools.cache
def _compiled_flex() -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    from torch.nn.attention.flex_attention import flex_attention  # noqa: PLC0415  (absent from older torch)

    compiled: Callable[[Tensor, Tensor, Tensor], Tensor] = torch.compile(flex_attention, dynamic=True)
    return compiled


def to_windows(tokens: Tensor, window: int, shift: int) -> Tensor:
    """Roll a map [B, H, W, C] up and left by ``shift`` and cut it into windows [B * windows, window^2, C].

    H and W are multiples of ``window``.
    """
    batch, height, width, channels = tokens.shape
    if shift:
        tokens = tokens.roll((-shift, -shift), (1, 2))
    cut = tokens.reshape(batch, height // window, window, width // window, window, channels)
    return cut.permute(0, 1, 3, 2, 4, 5).reshape(-1, window * window, channels)


def from_windows(windows: Tensor, height: int, width: int, window: int, shift: int) -> Tensor:
    """Undo `to_windows` for a map of ``height`` x ``width``."""
    channels = windows.shape[-1]
    cut = windows.reshape(-1, height // window, width // window, window, window, channels)
    tokens = cut.permute(0, 1, 3, 2, 4, 5).reshape(-1, height, width, channels)
    return tokens.roll((shift, shift), (1, 2)) if shift else tokens


def split_heads(qkv: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Take [N, T, 3C] apart into query, key and value, each [N, heads, T, C / heads] (spec §1: head-major)."""
    count, area, width = qkv.shape
    parts = qkv.reshape(count, area, 3, HEADS, width // (3 * HEADS)).permute(2, 0, 3, 1, 4)
    return parts[0], parts[1], parts[2]


def join_heads(attended: Tensor) -> Tensor:
    """Put [N, heads, T, C / heads] together to [N, T, C]."""
    count, heads, area, size = attended.shape
    return attended.transpose(1, 2).reshape(count, area, heads * size)


class WindowAttention(nn.Module):
    """Four-headed self-attention inside windows; odd blocks roll the map by half a window first (spec §1).

    As upstream: the map is zero padded at the bottom and the right, the padded tokens take part like any other (their
    query, key and value are the bias of qkv), and rolled windows join opposite edges of the image without a mask.
    """

    def __init__(self, channels: int, window: int, shift: int, attend: Attend) -> None:
        super().__init__()
        self.qkv = nn.Linear(channels, 3 * channels)
        self.proj = nn.Linear(channels, channels)
        self._window = window
        self._shift = shift
        self._attend = attend

    @property
    def mode(self) -> AttentionMode:
        """The implementation in use."""
        return self._attend.mode

    def forward(self, x: Tensor) -> Tensor:
        """Attend over ``x`` [B, C, H, W] (normalised); same shape out."""
        height, width = x.shape[2:]
        window, shift = self._window, self._shift
        # Padding and cropping are never behind an `if`: a traced graph must hold them for every size.
        tokens = functional.pad(x.permute(0, 2, 3, 1), (0, 0, 0, -width % window, 0, -height % window))
        windows = to_windows(tokens, window, shift)
        windows = self.proj(join_heads(self._attend(*split_heads(self.qkv(windows)))))
        joined = from_windows(windows, tokens.shape[1], tokens.shape[2], window, shift)
        return joined[:, :height, :width].permute(0, 3, 1, 2)
