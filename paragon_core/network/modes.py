"""The reference network with each of torch's implementations of attention: to time them."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

from paragon_core.errors import BackendUnavailableError
from paragon_core.network import ParagonSR2
from paragon_core.network.attention import AttentionMode, WindowAttention

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    import numpy.typing as npt

    from paragon_core.models.model import Model

    Batch = npt.NDArray[np.float32]


def network_in_mode(model: Model, mode: AttentionMode, *, threads: int) -> Callable[[Batch], Batch]:
    """Return a function that runs a model layer by layer, in fp32, on CUDA if it is there.

    Args:
        model: a network with attention.
        mode: which implementation; "none" leaves the attention out.
        threads: on a CPU.

    Returns:
        A function from [B, 3, h, w] to [B, 3, sh, sw]; it raises BackendUnavailableError where "flex" does not run.

    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    source = model.without_attention() if mode == "none" else model
    network: torch.nn.Module = ParagonSR2.from_model(source, attention_mode=mode).to(device)
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # not annotated

    def run(batch: Batch) -> Batch:
        with torch.inference_mode(), _threads(threads):
            output: Any = network(torch.from_numpy(batch).to(device)).cpu().numpy()
        if mode == "flex" and _used(network) != "flex":
            msg = "flex attention does not run here"
            raise BackendUnavailableError(msg, hint="sdpa computes the same")
        return output  # type: ignore[no-any-return]

    return run


def _used(network: torch.nn.Module) -> AttentionMode:
    """Return the implementation that a network ended up with: flex gives way to sdpa where it does not run."""
    return next(module.mode for module in network.modules() if isinstance(module, WindowAttention))


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
