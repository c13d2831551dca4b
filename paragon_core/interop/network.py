"""The network that programs built on torch get: the reference network outside, the fused one inside.

Parameters, state dict, training and export are those of `network.ParagonSR2`. Where no gradients are recorded, it
computes in its fused form (`graph.torch_fused`), which is made from the parameters when it is first needed. So results
and speed are those of Paragon's own torch backend, and weights are moved, cast, copied and merged as in any module.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from paragon_core.errors import CheckpointError
from paragon_core.graph.fuse import fuse_arrays
from paragon_core.graph.torch_fused import FusedParagonSR2
from paragon_core.interop.state_dicts import under_own_names
from paragon_core.network import ParagonSR2
from paragon_core.network.float32 import whole_float32

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Self

    State = tuple[tuple[int, int], ...]


class AutoFusedParagonSR2(ParagonSR2):
    """A network with a checkpoint's tensors, as fast as its fused form; see `ParagonSR2` for the arguments.

    Takes images of any floating type and returns that type. The features have the type of the parameters, or
    `feature_dtype`; in half precision, the base path stays float32, and what overflows float16 is computed again in
    float32.
    """

    #: Type of the features while the parameters are float32; None: the parameters' own.
    feature_dtype: torch.dtype | None = None

    #: Fused forms by the type of their features, with the state of the parameters from which they were made.
    _fused: dict[torch.dtype, tuple[State, FusedParagonSR2]] | None = None

    def forward(
        self,
        x: Tensor,
        prev_feat: Tensor | None = None,
        feature_tap: bool = False,  # noqa: FBT001, FBT002 - as the reference network has it
        blend: float | Tensor = 0.2,
        detail_input: Tensor | None = None,
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Upscale ``x`` [B, 3, H, W] to [B, 3, sH, sW]; arguments as for `ParagonSR2`."""
        if self.keeps_parameters(x):
            return super().forward(x, prev_feat, feature_tap, blend, detail_input)
        given = {"prev_feat": prev_feat, "feature_tap": feature_tap, "blend": blend, "detail_input": detail_input}
        dtype = self._features()
        output = self._computed(x, dtype, given)
        if dtype == torch.float16 and not _is_finite(output) and bool(torch.isfinite(x).all()):
            output = self._computed(x, torch.float32, given)
        if isinstance(output, tuple):
            return output[0].to(x.dtype), output[1]
        return output.to(x.dtype)

    def keeps_parameters(self, x: Tensor) -> bool:
        """Return whether the computation must show the parameters: for gradients, or to be written down as a graph."""
        if self.training or torch.compiler.is_compiling() or torch.jit.is_tracing():  # type: ignore[attr-defined, no-untyped-call]  # torch has no types for them
            return True
        return torch.is_grad_enabled() and (x.requires_grad or any(each.requires_grad for each in self.parameters()))

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:  # noqa: ANN401, FBT001, FBT002 - torch's signature
        """Take the tensors of a state dict, also under the names that a file has for them."""
        self._fused = None  # tensors made in inference mode do not count their changes
        own = self.state_dict()
        if state_dict.keys() != own.keys():
            with contextlib.suppress(CheckpointError):  # then torch lists what differs
                spec, found = under_own_names(dict(state_dict))
                state_dict = own | found if spec.revision == "v6" else found
        return super().load_state_dict(state_dict, strict, assign)

    def __getstate__(self) -> dict[str, Any]:
        """Return what copies and pickles hold: not the fused forms, which they make again."""
        return self.__dict__ | {"_fused": None}

    def _apply(self, fn: Callable[..., Any], recurse: bool = True) -> Self:  # noqa: FBT001, FBT002 - torch's signature
        """Move the fused forms along; drop them where the parameters become others."""
        before, dtype = self._state(), self.conv_in.weight.dtype
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]  # torch has no types for it
        after, device = self._state(), self.conv_in.weight.device
        current = [(kind, fused) for kind, (state, fused) in (self._fused or {}).items() if state == before]
        is_moved = dtype == self.conv_in.weight.dtype
        self._fused = {kind: (after, fused.to(device)) for kind, fused in current} if is_moved else None
        return self

    def _features(self) -> torch.dtype:
        own = self.conv_in.weight.dtype
        return self.feature_dtype if self.feature_dtype is not None and own == torch.float32 else own

    def _state(self) -> State:
        """Return what changes with the parameters."""
        return tuple((each.data_ptr(), _version(each)) for each in self.parameters())

    def _computed(self, x: Tensor, dtype: torch.dtype, given: Mapping[str, Any]) -> Tensor | tuple[Tensor, Tensor]:
        state = self._state()
        made_from, fused = (self._fused or {}).get(dtype, (None, None))
        if fused is None or made_from != state:
            with torch.inference_mode(mode=False), torch.no_grad():
                arrays = {name: each.detach().cpu().double().numpy() for name, each in self.state_dict().items()}
                fused = FusedParagonSR2(fuse_arrays(self.spec, arrays), dtype=dtype)
        self._fused = (self._fused or {}) | {dtype: (state, fused.to(x.device))}
        with torch.no_grad(), whole_float32(x.device):
            return fused(x.to(fused.image_dtype), **given)  # type: ignore[no-any-return]  # Module's __call__ returns Any


def _is_finite(output: Tensor | tuple[Tensor, Tensor]) -> bool:
    image = output[0] if isinstance(output, tuple) else output
    return bool(torch.isfinite(image).all())


def _version(tensor: Tensor) -> int:
    return 0 if tensor.is_inference() else tensor._version  # noqa: SLF001 - torch has no other name for it
