"""``paragon train``: train a network as a recipe says."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from paragon_core.cli import arguments as options
from paragon_core.cli.exit_codes import OK
from paragon_core.cli.progress import CountProgress
from paragon_core.errors import BackendUnavailableError

if TYPE_CHECKING:
    import argparse

    from paragon_core.cli.console import Console
    from paragon_core.training.validation import TrainingProgress


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "train",
        help="train a network as a recipe says",
        description="Train a network as a recipe says. The same command continues a run that was interrupted.",
    )
    parser.add_argument("recipe", metavar="RECIPE", help="a TOML file, or the name of a bundled recipe")
    parser.add_argument("--data", required=True, metavar="FOLDER", help="where the recipe's folders of images lie")
    parser.add_argument("-o", "--output", required=True, metavar="FOLDER", help="where weights and state go")
    parser.add_argument("--validation", metavar="FOLDER", help="images to score the network on as it learns")
    parser.add_argument("--start-from", metavar="FILE", help="a checkpoint to go on from, instead of fresh weights")
    parser.add_argument(
        "--perceptual-weights", metavar="FILE", help="weights of VGG19 or VGG16, for a recipe with a perceptual loss"
    )
    parser.add_argument("--discriminator", metavar="FILE", help="a discriminator to go on with, instead of a fresh one")
    parser.add_argument(
        "--threads",
        type=options.count,
        default=1,
        metavar="N",
        help="threads; with more than one a run does not end with the same bits [1]",
    )
    parser.add_argument(
        "--device",
        default="cpu",
        metavar="NAME",
        help="what computes: cpu, cuda, mps, or auto for the first of CUDA, MPS and the processor that is there [cpu]",
    )
    parser.add_argument("--log", action="store_true", help="write curves and images for TensorBoard to OUTPUT/log")
    options.add_model_settings(parser)
    options.add_debug(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Run the command."""
    if find_spec("torch") is None:
        raise BackendUnavailableError("training needs torch", hint="pip install torch")

    from paragon_core.training.recipe import read_recipe, run_recipe

    recipe = read_recipe(arguments.recipe)
    start = options.load_model(arguments.start_from, arguments).arrays if arguments.start_from else None
    progress = CountProgress(console, recipe.training.steps, text="step {:.0f}/{:.0f}", speed="{:.1f} steps/s")

    def report(found: TrainingProgress) -> None:
        scores = "".join(f"  {name} {each.psnr_y:.3f} / {each.ssim:.4f}" for name, each in found.scores.items())
        console.say(f"step {found.step}  loss {found.loss:.5f}{scores}")

    run_recipe(
        recipe,
        data=Path(arguments.data),
        folder=Path(arguments.output),
        validation=Path(arguments.validation) if arguments.validation else None,
        start_from=start,
        perceptual_weights=Path(arguments.perceptual_weights) if arguments.perceptual_weights else None,
        discriminator=Path(arguments.discriminator) if arguments.discriminator else None,
        threads=arguments.threads,
        report=report,
        tick=progress.report,
        device=arguments.device,
        log=arguments.log,
    )
    console.erase()
    # Against a discriminator PSNR only falls, and what had most of it learned least.
    by_score = arguments.validation and not recipe.adversarial
    result = Path(arguments.output) / ("best.safetensors" if by_score else "last.safetensors")
    console.say(f"{arguments.recipe} -> {result}")
    return OK
