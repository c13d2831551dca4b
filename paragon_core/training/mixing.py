"""Mixtures of networks: a mean of the weights of two or more that come from one another.

Between a network and one that was trained on from it, most mixtures are as good as either, and what the two do lies
between: a network for faithful pixels and one for sharp ones give all that is in between (X. Wang et al., "Deep network
interpolation for continuous imagery effect transition", 2019). Between strangers there is nothing.
"""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from torch import Tensor

from paragon_core.errors import InputError
from paragon_core.training.collapsed import CollapsedNetwork
from paragon_core.training.flat_fields import settle_flat_fields

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from paragon_core.models.model import Model

#: Pairs of one origin had 0.56 to 0.99. Up to 0.87, mixtures were worse than both; at 0.56, half of each was no network
#: any more.
_LEAST_LIKENESS: Final = 0.5

#: Number of images that stand for real ones, and their sides: a multiple of the side of every attention window.
_IMAGES: Final = 64
_SIDE: Final = 48


def mix(models: Sequence[Model], shares: Sequence[float]) -> dict[str, npt.NDArray[np.float32]]:
    """Return the mean of the weights of networks, with areas of one colour kept (`settle_flat_fields`).

    Tails are mixed as the one convolution that each of them is, so it does not matter how a file splits it.

    Args:
        models: two or more of one spec.
        shares: how much each counts, in any unit; positive.

    Returns:
        The weights under upstream's keys.

    Raises:
        InputError: the networks differ in kind or are strangers, a share is missing or not positive, or the networks
            are of a kind that is not trained.

    """
    _check(models, shares)
    networks = [_network(model) for model in models]
    if (least := likeness(models)) < _LEAST_LIKENESS:
        msg = f"the networks do not come from one another: their weights are alike by {least:.2f} only, of 1"
        raise InputError(msg, hint="mix a network with one that was trained on from it, as by --start-from")
    states = [network.state_dict() for network in networks]
    total = sum(shares)
    mixed = networks[0]
    mixed.load_state_dict(
        {
            key: sum(share / total * state[key].double() for share, state in zip(shares, states, strict=True))
            for key in states[0]
        }
    )
    settle_flat_fields(mixed, _stand_ins())
    return mixed.to_arrays()


def likeness(models: Sequence[Model]) -> float:
    """Return how alike networks of one spec are: the least cosine between the kernels of the first and another's.

    1 for the same ones; tails do not count.
    """
    first, *others = (_kernels(model) for model in models)
    tiny = np.finfo(np.float32).tiny
    return min(float(first @ other / max(np.linalg.norm(first) * np.linalg.norm(other), tiny)) for other in others)


def _kernels(model: Model) -> npt.NDArray[np.float32]:
    return np.concatenate([array.ravel() for key, array in sorted(model.arrays.items()) if _is_kernel(key, array)])


def _is_kernel(key: str, array: npt.NDArray[np.float32]) -> bool:
    return array.ndim == 4 and key.startswith(("conv_in.", "body.", "conv_mid."))  # noqa: PLR2004 - axes


def _check(models: Sequence[Model], shares: Sequence[float]) -> None:
    if len(models) < 2:  # noqa: PLR2004 - a mean of one is no mixture
        raise InputError("a mixture needs two networks", hint="name another one")
    if len(shares) != len(models):
        msg = f"there are {len(models)} networks and {len(shares)} shares"
        raise InputError(msg, hint="give each network a share, in their order")
    if not all(0 < share < np.inf for share in shares):  # also refuses NaN
        msg = f"shares must be positive, not {', '.join(format(share, 'g') for share in shares)}"
        raise InputError(msg, hint="leave out what is not to count")
    first = models[0]
    for other in models[1:]:
        for field in fields(first.spec):
            ours, theirs = (getattr(model.spec, field.name) for model in (first, other))
            if ours != theirs:
                msg = f"{first.name} and {other.name} differ in {field.name}: {ours} and {theirs}"
                raise InputError(
                    msg, hint="only networks of one kind can be mixed; paragon info shows what a file holds"
                )


def _network(model: Model) -> CollapsedNetwork:
    network = CollapsedNetwork(model.spec)
    network.load_arrays(model.arrays)
    return network


def _stand_ins() -> Tensor:
    """Return images [N, 3, P, P] in 0..1 that stand for real ones, where there are none.

    Noise whose amplitudes fall with the frequency, as those of photographs do (D. J. Field, "Relations between the
    statistics of natural images and the response properties of cortical cells", 1987), mostly grey. With them and
    with photographs, mixtures of stream-4x and stream-4x-sharp came to the same PSNR within 0.001 dB.
    """
    generator = np.random.default_rng(0)
    rows, columns = np.fft.fftfreq(_SIDE), np.fft.rfftfreq(_SIDE)
    frequency = np.hypot(rows[:, None], columns)
    frequency[0, 0] = np.inf
    shape = (_IMAGES, 4, _SIDE, len(columns))
    spectrum = (generator.standard_normal(shape) + 1j * generator.standard_normal(shape)) / frequency
    noise = np.fft.irfft2(spectrum, s=(_SIDE, _SIDE))
    noise /= noise.std((2, 3), keepdims=True)
    mean = generator.uniform(0.15, 0.85, (_IMAGES, 1, 1, 1)) + generator.uniform(-0.1, 0.1, (_IMAGES, 3, 1, 1))
    contrast = generator.uniform(0.05, 0.25, (_IMAGES, 1, 1, 1))
    images = np.clip(mean + contrast * (0.9 * noise[:, :1] + 0.45 * noise[:, 1:]), 0, 1)
    return torch.from_numpy(images.astype(np.float32))
