"""Recipes: TOML files that hold everything about a training run apart from the paths of its files."""

from __future__ import annotations

import hashlib
import logging
import tomllib
from dataclasses import MISSING, dataclass, fields, replace
from functools import partial
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar, get_args, get_origin, get_type_hints

import torch

from paragon_core.backends.torch import find_device
from paragon_core.errors import InputError
from paragon_core.models.spec import ModelSpec, Revision, Variant, preset
from paragon_core.quality.evaluate import find_sets, read_pairs
from paragon_core.training.adversarial import AdversarialOptions, AdversarialTrainer
from paragon_core.training.data import PatchOptions, PatchSource, read_images
from paragon_core.training.degradations import Degradations
from paragon_core.training.loop import train
from paragon_core.training.munet import read_munet
from paragon_core.training.options import RENAMED_FIELDS, TrainingOptions
from paragon_core.training.perceptual import read_perceptual_loss
from paragon_core.training.trainer import Trainer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np
    import numpy.typing as npt

    from paragon_core.training.validation import TrainingProgress

Options = TypeVar("Options")

_LOG = logging.getLogger(__name__)

#: The recipes of the bundled models.
RECIPES: Final = resources.files("paragon_core.training") / "recipes"

#: What folders of images were called before, by the name that recipes give them now.
_RENAMED_FOLDERS: Final = {"screen_content": "slides"}


@dataclass(frozen=True, kw_only=True)
class TrainingRecipe:
    """How one network is trained."""

    spec: ModelSpec
    """The network; its ``upsampler_alpha`` is 0."""
    folders: tuple[str, ...]
    """Folders of images, below one that the user names."""
    patches: PatchOptions
    """What a step sees."""
    training: TrainingOptions
    """How it learns."""
    degradations: Degradations | None = None
    """What happens to the low-resolution images besides the reduction; None: nothing."""
    adversarial: AdversarialOptions | None = None
    """What a trained network is fine-tuned for against a discriminator; None: it is trained without."""
    sha256: str
    """Hex digest of the file; the weights carry it."""


@dataclass(frozen=True, kw_only=True)
class _Network:
    variant: Variant
    revision: Revision
    scale: int


@dataclass(frozen=True, kw_only=True)
class _Folders:
    folders: tuple[str, ...]


def recipe_names() -> tuple[str, ...]:
    """Return the names of the recipes that come with Paragon."""
    return tuple(
        sorted(entry.name.removesuffix(".toml") for entry in RECIPES.iterdir() if entry.name.endswith(".toml"))
    )


def read_recipe(source: str | Path) -> TrainingRecipe:
    """Read a recipe: a TOML file, or the name of one that comes with Paragon.

    Raises:
        InputError: if there is no such recipe, or a value is missing, unknown or impossible.

    """
    data = (RECIPES / f"{source}.toml").read_bytes() if source in recipe_names() else _read(Path(source))
    try:
        tables = tomllib.loads(data.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        msg = f"{source} is not a TOML file: {error}"
        raise InputError(msg, hint="see the recipes in paragon_core/training/recipes") from error
    if set(tables) - {"degradations", "adversarial"} != {"network", "data", "training"}:
        msg = f"{source} must have the tables [network], [data] and [training]"
        raise InputError(msg, hint="it may have [degradations] and [adversarial] as well, and no others")
    network = _build(_Network, tables["network"], "network")
    data_table = tables["data"]
    patches = {key: value for key, value in data_table.items() if key != "folders"}
    folders = {key: value for key, value in data_table.items() if key == "folders"}
    spec = preset(network.variant, network.scale, revision=network.revision)
    return TrainingRecipe(
        spec=replace(spec, upsampler_alpha=0.0),
        folders=_build(_Folders, folders, "data").folders,
        patches=_build(PatchOptions, patches, "data"),
        training=_build(TrainingOptions, _renamed(tables["training"], source), "training"),
        degradations=_build(Degradations, tables["degradations"], "degradations") if "degradations" in tables else None,
        adversarial=_build(AdversarialOptions, tables["adversarial"], "adversarial")
        if "adversarial" in tables
        else None,
        sha256=hashlib.sha256(data).hexdigest(),
    )


def run_recipe(
    recipe: TrainingRecipe,
    *,
    data: Path,
    folder: Path,
    report: Callable[[TrainingProgress], None],
    threads: int = 1,
    validation: Path | None = None,
    start_from: Mapping[str, npt.NDArray[np.floating]] | None = None,
    perceptual_weights: Path | None = None,
    discriminator: Path | None = None,
    tick: Callable[[int], None] | None = None,
    device: str = "cpu",
    log: bool = False,
) -> None:
    """Train a network as the recipe says, or continue if the run was interrupted.

    Args:
        recipe: how.
        data: folder that holds the recipe's folders.
        folder: where state and weights go, see `paragon_core.training.loop.train`.
        report: called after every validation.
        threads: of torch. With one, a run ends with the same bits however often it was interrupted; with more, sums
            are added in any order, and on a busy machine the threads wait for one another.
        validation: folder of images to score the network on, or of such folders.
        start_from: weights to go on from, under upstream's keys; ignored when a run is continued. A recipe with
            [adversarial] needs them.
        perceptual_weights: file of VGG19's or VGG16's weights, for a recipe with a perceptual loss.
        discriminator: file of a discriminator to go on with, for a recipe with [adversarial]; ignored like start_from.
        tick: called after every step with the number of steps done.
        device: what computes: cpu, cuda, mps, or auto for the first of CUDA, MPS and the processor. A run can be
            continued on another one, but only the processor gives the same bits again.
        log: whether ``folder/log`` gets events for TensorBoard.

    Raises:
        BackendUnavailableError: the device, or a package that the recipe or the log needs, is not here.
        ParagonError: images are missing or damaged, or the folder holds another run.
        KeyboardInterrupt: after Ctrl-C, when everything is saved.

    """
    chosen = find_device(device)
    torch.set_num_threads(threads)
    make_trainer = _trainer_factory(recipe, perceptual_weights, discriminator, goes_on=start_from is not None)
    groups = [read_images(_folder(data, name)) for name in recipe.folders]
    source = PatchSource(groups, scale=recipe.spec.scale, options=recipe.patches, degradations=recipe.degradations)
    sets = (
        {path.resolve().name: list(read_pairs(path, recipe.spec.scale)) for path in find_sets(validation)}
        if validation
        else {}
    )
    trainer = make_trainer(recipe.spec, source, recipe.training, start_from=start_from, device=chosen)
    train(trainer, folder, sets=sets, report=report, tick=tick, notes={"recipe_sha256": recipe.sha256}, log=log)


def _trainer_factory(
    recipe: TrainingRecipe, perceptual_weights: Path | None, discriminator: Path | None, *, goes_on: bool
) -> Callable[..., Trainer]:
    """Return what makes a trainer; files that the recipe does not need are refused, and those that it lacks."""
    if recipe.adversarial is None:
        if perceptual_weights or discriminator:
            msg = "the recipe trains without a discriminator and without a perceptual loss"
            raise InputError(msg, hint="give it a table [adversarial], or leave their files out")
        return Trainer
    if not goes_on:
        msg = "a recipe with [adversarial] goes on from a trained network"
        raise InputError(msg, hint="name one with --start-from: a checkpoint, or a bundled model")
    return partial(
        AdversarialTrainer,
        adversarial=recipe.adversarial,
        perceptual=read_perceptual_loss(perceptual_weights, recipe.adversarial.layer_weights)
        if perceptual_weights
        else None,
        discriminator=read_munet(discriminator) if discriminator else None,
    )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        msg = f"there is no recipe {path}: {error.strerror or error}"
        raise InputError(msg, hint=f"bundled recipes: {', '.join(recipe_names())}; or give a TOML file") from error


def _renamed(table: Mapping[str, Any], source: str | Path) -> dict[str, Any]:
    """Return the table [training] with the names of today; log a warning for each older one.

    Raises:
        InputError: if a field is there under both names.

    """
    renamed: dict[str, Any] = {}
    for name, value in table.items():
        new = RENAMED_FIELDS.get(name, name)
        if new != name:
            _LOG.warning("%s: %s in [training] is deprecated; use %s", source, name, new)
        if new in renamed:
            msg = f"[training] has {new} twice, once under its old name"
            raise InputError(msg, hint=f"keep {new} alone")
        renamed[new] = value
    return renamed


def _folder(data: Path, name: str) -> Path:
    """Return a recipe's folder of images; one that was made under its old name is used, with a warning."""
    folder = data / name
    old = data / _RENAMED_FOLDERS.get(name, name)
    if folder.exists() or not old.exists():
        return folder
    _LOG.warning("%s is deprecated; rename the folder to %s", old, name)
    return old


def _build(kind: type[Options], table: Mapping[str, Any], where: str) -> Options:
    """Make options of one table; a value of another type, an unknown or a missing name is refused."""
    hints = get_type_hints(kind)
    known = {field.name: field for field in fields(kind)}  # type: ignore[arg-type]  # all of them are dataclasses
    for name, value in table.items():
        if name not in known:
            msg = f"[{where}] has no {name!r}"
            raise InputError(msg, hint=f"it can have {', '.join(known)}")
        if not _fits(value, hints[name]):
            msg = f"{name} in [{where}] cannot be {value!r}"
            raise InputError(msg)
    missing = [name for name, field in known.items() if field.default is MISSING and name not in table]
    if missing:
        msg = f"[{where}] lacks {', '.join(missing)}"
        raise InputError(msg)
    return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in table.items()})


def _fits(value: object, hint: object) -> bool:
    """Return whether a TOML value fits a field of this type; integers fit float fields, too."""
    if hint is bool or isinstance(value, bool):
        return hint is bool and isinstance(value, bool)
    if hint in {float, int}:
        return isinstance(value, (int, float) if hint is float else int)
    if get_origin(hint) is tuple:
        item, last = get_args(hint)
        if not isinstance(value, list) or (last is not ... and len(value) != len(get_args(hint))):
            return False
        return all(_fits(each, item) for each in value)
    if hint is str:
        return isinstance(value, str)
    return value in get_args(hint)  # a choice of words
