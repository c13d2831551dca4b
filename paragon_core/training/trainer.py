"""The training loop: steps, averaged weights, validation, and a state on disk that continues bit for bit."""

from __future__ import annotations

import json
import math
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors.numpy import save
from torch import Tensor
from torch.nn import functional

from paragon_core.errors import InputError, UnreadableCheckpointError
from paragon_core.media.whole_files import whole_file
from paragon_core.network import ParagonSR2
from paragon_core.quality.evaluate import Pair, score_set
from paragon_core.quality.metrics import Score, mean_score
from paragon_core.training.collapsed import CollapsedNetwork, base_kernel, cells
from paragon_core.training.interrupts import postponed_interrupt
from paragon_core.training.losses import luma_weighted_l1
from paragon_core.training.soap import Soap
from paragon_core.training.start import scale_from_data, solve_tail

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from paragon_core.spec import ModelSpec
    from paragon_core.training.data import Patches, PatchSource

Arrays = dict[str, "npt.NDArray[np.float32]"]
Scores = dict[str, Score]

#: Batches that the start looks at.
_START_BATCHES = 8


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """How a network is trained."""

    steps: int
    """Length of the whole run; the rate falls to 0 at its end."""
    learning_rate: float = 1.2e-2
    """Highest rate of the optimiser."""
    warmup_share: float = 0.02
    """Share of the steps in which the rate rises from 0."""
    averaging: float = 0.999
    """Decay of the moving average of the weights, which is what gets scored and saved."""
    luma_share: float = 0.7
    """Share of the loss that is taken on luma."""
    rim_weight: float = 0.25
    """Weight in the loss of what is within two low-resolution pixels of a patch's edge. The network has to learn what
    to do at the edge of a picture, but a patch has far more of it than a picture."""
    bfloat16: bool = True
    """Whether the passes run in bfloat16; weights and their average stay in float32."""
    seed: int = 0
    """Decides the first weights and the order of the patches."""
    validate_every: int = 2000
    """Steps between two validations; the state is saved at the same time."""

    def __post_init__(self) -> None:
        """Refuse what cannot be meant.

        Raises:
            InputError: naming the field and the values that it may have.

        """
        if self.steps < 1 or self.validate_every < 1:
            msg = "steps and validate_every must be at least 1"
            raise InputError(msg)
        for name in ("warmup_share", "averaging", "luma_share", "rim_weight"):
            if not 0 <= getattr(self, name) <= 1:
                msg = f"{name} must lie in 0..1, not {getattr(self, name)}"
                raise InputError(msg)
        if not (self.learning_rate > 0 and math.isfinite(self.learning_rate)):
            msg = f"learning_rate must be a positive number, not {self.learning_rate}"
            raise InputError(msg)


@dataclass(frozen=True, kw_only=True)
class Progress:
    """What a validation found."""

    step: int
    """Steps done."""
    loss: float
    """Mean loss since the report before, for pixels in 0..1."""
    rate: float
    """Steps in a second since the report before."""
    scores: Scores
    """For each validation set the mean score of the averaged weights."""

    def to_json(self) -> str:
        """Return one line for a log."""
        return json.dumps(asdict(self))


def learning_rate(options: TrainingOptions, step: int) -> float:
    """Return the rate of step ``step`` (0 is the first): a linear rise, times a cosine that ends at 0."""
    share = step / options.steps
    rise = min(1.0, share / options.warmup_share) if options.warmup_share else 1.0
    return options.learning_rate * rise * 0.5 * (1 + math.cos(math.pi * share))


class Trainer:
    """A network in training. Two trainers that did the same steps hold the same bits."""

    def __init__(
        self,
        spec: ModelSpec,
        source: PatchSource,
        options: TrainingOptions,
        *,
        start_from: Mapping[str, npt.NDArray[np.floating]] | None = None,
    ) -> None:
        """Make the first weights.

        Args:
            spec: the network; ``upsampler_alpha`` must be 0.
            source: where patches come from, at the scale of ``spec``.
            options: how it is trained.
            start_from: the weights of a network to go on from, under upstream's keys; None starts afresh.

        Raises:
            InputError: if the scales differ or the network cannot be trained this way.
            CheckpointError: if ``start_from`` does not fit ``spec``.

        """
        if source.scale != spec.scale:
            msg = f"the patches are for x{source.scale}, the network is for x{spec.scale}"
            raise InputError(msg)
        self.spec = spec
        self.options = options
        self.source = source
        self.step = 0
        self._draws = np.random.default_rng(options.seed)
        self._base = base_kernel(spec.scale)
        side = spec.scale * source.options.low_size
        self._weight = torch.full((side, side), options.rim_weight)
        self._weight[2 * spec.scale : -2 * spec.scale, 2 * spec.scale : -2 * spec.scale] = 1
        self.network = CollapsedNetwork(spec)
        if start_from is None:
            self._start()
        else:
            self.network.load_arrays(start_from)
        _keep_channels_innermost(self.network)
        self._average = {key: tensor.clone() for key, tensor in self.network.state_dict().items()}
        self._optimiser = Soap(self.network.parameters(), lr=options.learning_rate)

    def advance(self) -> float:
        """Do one step and return its loss, for pixels in 0..1."""
        patches = self.source.draw(self._draws)
        low, wanted = whole_pair(patches, self._base)
        for group in self._optimiser.param_groups:
            group["lr"] = learning_rate(self.options, self.step)
        self._optimiser.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.options.bfloat16):
            detail = self.network(low)
        error = (detail.float() - wanted) * self._weight
        loss = luma_weighted_l1(error, luma_share=self.options.luma_share)
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimiser.step()
        self.step += 1
        # A short memory at first: the average must not remember the random start.
        decay = min(self.options.averaging, self.step / (self.step + 9))
        state = self.network.state_dict()
        with torch.no_grad():
            for key, average in self._average.items():
                average.lerp_(state[key], 1 - decay)
        return float(loss.detach())

    def arrays(self) -> Arrays:
        """Return the averaged weights of the whole network under upstream's keys."""
        averaged = CollapsedNetwork(self.spec)
        averaged.load_state_dict(self._average)
        return averaged.to_arrays()

    def state(self) -> dict[str, Any]:
        """Return everything that the next steps depend on, apart from the pictures."""
        return {
            "step": self.step,
            "options": json.dumps(asdict(self.options)),
            "spec": json.dumps(asdict(self.spec)),
            "network": self.network.state_dict(),
            "average": self._average,
            "optimiser": self._optimiser.state_dict(),
            "draws": json.dumps(self._draws.bit_generator.state),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from what `state` returned.

        Raises:
            InputError: if it belongs to another network or to other options.

        """
        for name, own in (("spec", self.spec), ("options", self.options)):
            if json.loads(state[name]) != asdict(own):
                msg = f"the saved run has another {name}: {state[name]}"
                raise InputError(msg, hint="continue it with the same ones, or train in another folder")
        self.step = state["step"]
        self.network.load_state_dict(state["network"])
        self._average = {key: tensor.clone() for key, tensor in state["average"].items()}
        self._optimiser.load_state_dict(state["optimiser"])
        self._draws.bit_generator.state = json.loads(state["draws"])

    def _start(self) -> None:
        generator = torch.Generator().manual_seed(self.options.seed)
        drawn = [self.source.draw(self._draws) for _ in range(_START_BATCHES)]
        batches = [interior_pair(patches, self._base) for patches in drawn]
        scale_from_data(self.network, torch.cat([low for low, _ in batches]), generator)
        solve_tail(self.network, batches)


def whole_pair(patches: Patches, base: Tensor) -> tuple[Tensor, Tensor]:
    """Return [B, 3, P, P] in 0..1 and the wanted output minus the base path, [B, 3, sP, sP]."""
    scale = patches.high.shape[1] // patches.low.shape[1]
    low, high = (_planes(pixels) for pixels in (patches.low, patches.high))
    enlarged = functional.pixel_shuffle(functional.conv2d(low, base, padding=2), scale)
    return low, high - enlarged[..., scale - 1 : -1, scale - 1 : -1]


def interior_pair(patches: Patches, base: Tensor) -> tuple[Tensor, Tensor]:
    """Return [B, 3, P, P] in 0..1 and the wanted output minus the base path, as `cells` [B, 3ss, P-3, P-3]."""
    scale = patches.high.shape[1] // patches.low.shape[1]
    low, high = (_planes(pixels) for pixels in (patches.low, patches.high))
    wanted = cells(high, scale) - functional.conv2d(low, base)
    return low, wanted


def validate(
    arrays: Mapping[str, npt.NDArray[np.floating]], spec: ModelSpec, sets: Mapping[str, Sequence[Pair]]
) -> Scores:
    """Score weights with the protocol of `paragon_core.quality`, as whole pictures through the reference network."""
    network = ParagonSR2.from_arrays(spec, arrays)

    @torch.inference_mode()
    def enlarge(low: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        enlarged = network(_planes(low[None]))[0].movedim(0, -1)
        return np.asarray((enlarged.clamp(0, 1) * 255).round().to(torch.uint8))

    return {
        name: mean_score([scores["model"] for scores in score_set(pairs, {"model": enlarge}).values()])
        for name, pairs in sets.items()
    }


def train(
    trainer: Trainer,
    folder: Path,
    *,
    sets: Mapping[str, Sequence[Pair]],
    report: Callable[[Progress], None],
    tick: Callable[[int], None] | None = None,
    notes: Mapping[str, str] | None = None,
) -> None:
    """Train to the end, or to Ctrl-C, which saves first.

    ``folder`` gets ``state.pt`` (to continue from), ``last.safetensors`` and, with validation sets,
    ``best.safetensors``: highest sum of the PSNRs. If there is a state already, it is continued.

    Args:
        trainer: at its first step, or where it is.
        folder: made if it does not exist.
        sets: pictures to validate on, by name; may be empty.
        report: called after every validation.
        tick: called after every step with the number of steps done.
        notes: go into the metadata of the weights.

    Raises:
        InputError: if the folder holds a run with other options.
        UnreadableCheckpointError: if the saved state is damaged.
        MediaError: if the folder cannot be written to; what was saved before is whole.
        KeyboardInterrupt: after Ctrl-C, when everything is saved.

    """
    folder.mkdir(parents=True, exist_ok=True)
    best = -math.inf
    if (folder / "state.pt").exists():
        saved = _read_state(folder / "state.pt")
        best = saved.pop("best")
        trainer.restore(saved)
    with postponed_interrupt() as interrupted:
        while trainer.step < trainer.options.steps:
            started, losses = time.perf_counter(), []
            for _ in range(_until_next_validation(trainer)):
                losses.append(trainer.advance())
                if tick:
                    tick(trainer.step)
                if interrupted():
                    break
            elapsed = time.perf_counter() - started
            arrays = trainer.arrays()
            progress = Progress(
                step=trainer.step,
                loss=sum(losses) / len(losses),
                rate=len(losses) / elapsed,
                scores=validate(arrays, trainer.spec, sets),
            )
            report(progress)
            save_weights(folder / "last.safetensors", arrays, trainer.spec, progress, notes)
            total = sum(score.psnr_y for score in progress.scores.values())
            if sets and total > best:
                best = total
                save_weights(folder / "best.safetensors", arrays, trainer.spec, progress, notes)
            with whole_file(folder / "state.pt") as stream:
                torch.save({**trainer.state(), "best": best}, stream)
            if interrupted():
                raise KeyboardInterrupt


def save_weights(
    path: Path,
    arrays: Mapping[str, npt.NDArray[np.floating]],
    spec: ModelSpec,
    progress: Progress,
    notes: Mapping[str, str] | None = None,
) -> None:
    """Write a checkpoint that upstream's trainer loads and that says what it is."""
    metadata = {
        **(notes or {}),
        "variant": spec.variant,
        "revision": spec.revision,
        "scale": str(spec.scale),
        "upsampler_alpha": str(spec.upsampler_alpha),
        "window_size": str(spec.window_size),
        "steps": str(progress.step),
        "scores": json.dumps({name: asdict(score) for name, score in progress.scores.items()}),
    }
    stored = {key: np.array(array, np.float32, order="C") for key, array in arrays.items()}
    with whole_file(path) as stream:
        stream.write(save(stored, metadata))


def _until_next_validation(trainer: Trainer) -> int:
    every = trainer.options.validate_every
    return min(every - trainer.step % every, trainer.options.steps - trainer.step)


def _keep_channels_innermost(network: CollapsedNetwork) -> None:
    """Lay the kernels out like the patches: convolutions of few channels are then twice as fast."""
    for parameter in network.parameters():
        if parameter.dim() == 4:  # noqa: PLR2004  (a kernel)
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)


def _planes(pixels: npt.NDArray[np.uint8]) -> Tensor:
    """Turn bytes [B, H, W, 3] into [B, 3, H, W] in 0..1, the channels still innermost in memory."""
    return torch.from_numpy(np.ascontiguousarray(pixels)).movedim(-1, 1).float() / 255


def _read_state(path: Path) -> dict[str, Any]:
    try:
        state: dict[str, Any] = torch.load(path, weights_only=True)
    except Exception as error:  # torch raises whatever the damage leads to
        msg = f"{path} cannot be read: {error}"
        raise UnreadableCheckpointError(msg, hint="remove it to start again, or train in another folder") from error
    return state
