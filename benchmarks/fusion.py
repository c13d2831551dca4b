"""How much faster the fused networks are than the plain ones, and what their exact border costs.

    python benchmarks/fusion.py [--cases realtime-x2 ...] [--rounds 9] [--output results.json]

Four forms of the same network, random weights from a fixed seed, run in turns in one process on one thread:

- ``upstream``: exported from the reference network by torch's exporter with the settings of upstream's script
- ``plain``: Paragon's ONNX writer, layer by layer
- ``fused``: Paragon's ONNX writer, fused; what users run
- ``fused, no border``: the same without the correction of the outermost pixels, so wrong there; it shows their cost

Before anything is timed, all forms must give the same image. The last lines say whether the ratios that the project
promises hold here; the exit code is 1 if one does not. Needs torch (for ``upstream``), onnxruntime and openvino.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import openvino
import torch

from paragon_core.benchmark.bench import Timing, describe_machine, time_interleaved
from paragon_core.graph.graph_spec import GraphSpec
from paragon_core.graph.onnx_graph import build
from paragon_core.models.checkpoint import Checkpoint
from paragon_core.models.model import Model, from_checkpoint
from paragon_core.models.spec import ModelSpec, preset
from paragon_core.network import ParagonSR2

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Image = npt.NDArray[np.float32]

PACKAGES = ("numpy", "onnx", "onnxruntime", "openvino", "torch")
FORMS = ("upstream", "plain", "fused", "fused, no border")
SEED = 20251120

#: Random weights give outputs of order 1; float32 runtimes differ by rounding only.
SAME = 1e-4

#: Share of the frame's time that the exact border may take in OpenVINO.
BORDER_LIMIT = 0.05


@dataclass(frozen=True, kw_only=True)
class Case:
    """One network at one size of input."""

    spec: ModelSpec
    """The network; v9, because v11 gives upstream more to do (LayerScale) and would flatter the fusion."""
    width: int
    """Columns of the input."""
    height: int
    """Rows of the input."""
    required: float | None = None
    """How many times faster than upstream's form the fused one has to be, in both runtimes; None: only reported."""


def case(name: str, *, width: int = 640, height: int = 360, required: float | None = None) -> Case:
    """Return the case ``<variant>-x<scale>``, with ``upsampler_alpha`` 0 and without attention."""
    variant, _, scale = name.partition("-x")
    spec = preset(variant, int(scale), revision="v9")  # type: ignore[arg-type]  # the names below are variants
    return Case(spec=without_options(spec), width=width, height=height, required=required)


def without_options(spec: ModelSpec) -> ModelSpec:
    """Return the network as the official files have it: alpha 0; and no attention, which fusion leaves alone."""
    return ModelSpec(**{**vars(spec), "upsampler_alpha": 0.0, "attention": False})


CASES = {
    "realtime-x2": case("realtime-x2", required=1.5),
    "realtime-x4": case("realtime-x4", required=2.3),
    "stream-x2": case("stream-x2", required=1.6),
    "stream-x4": case("stream-x4"),
    "photo-x2": case("photo-x2", width=320, height=180),
}


def random_network(spec: ModelSpec) -> ParagonSR2:
    """Return a network with weights from a fixed seed, all of which show in the output."""
    torch.manual_seed(SEED)
    network = ParagonSR2(spec, detail_gain=0.7).eval()
    with torch.no_grad():
        for key, parameter in network.named_parameters():
            if key.endswith(("gamma", "norm.scale")):
                parameter.uniform_(0.2, 0.8)
    return network


def as_model(network: ParagonSR2) -> Model:
    """Return the network as if it had been loaded from a file."""
    checkpoint = Checkpoint(arrays=network.to_arrays(), metadata={}, sha256="", name="random")
    return from_checkpoint(checkpoint, upsampler_alpha=network.spec.upsampler_alpha)


def export_like_upstream(network: ParagonSR2) -> onnx.ModelProto:
    """Export the way upstream's script does: a dummy of 64x64, opset 18, dynamic batch and size, constants folded."""
    axes = {0: "batch", 2: "height", 3: "width"}
    with warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder:
        # The exporter that upstream's files came from is on its way out, and remarks on every `if` of Python.
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.filterwarnings("ignore", message="Converting a tensor to a Python boolean")
        path = Path(folder) / "upstream.onnx"
        torch.onnx.export(
            network,
            (torch.randn(1, 3, 64, 64),),
            path,
            dynamo=False,
            opset_version=18,
            do_constant_folding=True,
            input_names=["input"],
            output_names=["output"],
            dynamic_axes={"input": axes, "output": axes},
        )
        return onnx.load(path)


def graphs_of(network: ParagonSR2, runtime: str) -> dict[str, onnx.ModelProto]:
    """Return all forms of one network, the fused ones as the backend of that runtime has them; all take any size."""
    model = as_model(network)
    merge_base = runtime == "openvino"
    graphs = (
        export_like_upstream(network),
        build(model, GraphSpec(fused=False)),
        build(model, merge_base=merge_base),
        build(model, merge_base=merge_base, exact_border=False),
    )
    return dict(zip(FORMS, graphs, strict=True))


def open_onnxruntime(graph: onnx.ModelProto, image: Image) -> Callable[[], Image]:
    """Return a function that runs ``image`` through ONNX Runtime on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    for axis, size in zip(("batch", "height", "width"), (1, *image.shape[2:]), strict=True):
        options.add_free_dimension_override_by_name(axis, size)
    session = onnxruntime.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return lambda: session.run(None, {"input": image})[0]


def open_openvino(graph: onnx.ModelProto, image: Image) -> Callable[[], Image]:
    """Return a function that runs ``image`` through OpenVINO in float32 on one stream of one thread."""
    core = openvino.Core()
    network = core.read_model(graph.SerializeToString())
    network.reshape(list(image.shape))
    settings = {"INFERENCE_PRECISION_HINT": "f32", "NUM_STREAMS": "1", "INFERENCE_NUM_THREADS": "1"}
    request = core.compile_model(network, "CPU", settings).create_infer_request()
    return lambda: request.infer([image], share_inputs=True, share_outputs=True)[0]


RUNTIMES: dict[str, Callable[[onnx.ModelProto, Image], Callable[[], Image]]] = {
    "onnxruntime": open_onnxruntime,
    "openvino": open_openvino,
}


def largest_difference(actions: dict[str, Callable[[], Image]]) -> float:
    """Return by how much the forms' images differ from upstream's, the ring of the borderless one aside."""
    reference = actions["upstream"]().copy()
    differences = []
    for name, action in actions.items():
        difference = np.abs(action() - reference)
        ring = 1 if name == FORMS[-1] else 0
        differences.append(difference[..., ring : difference.shape[2] - ring, ring : difference.shape[3] - ring].max())
    return float(max(differences))


def measure(name: str, runtime: str, *, rounds: int) -> dict[str, Any]:
    """Time all forms of one case in one runtime.

    Raises:
        RuntimeError: if the forms do not give the same image.

    """
    each = CASES[name]
    image = np.random.default_rng(SEED).uniform(0, 1, (1, 3, each.height, each.width)).astype(np.float32)
    graphs = graphs_of(random_network(each.spec), runtime)
    actions = {form: RUNTIMES[runtime](graph, image) for form, graph in graphs.items()}
    difference = largest_difference(actions)
    if not difference <= SAME:
        msg = f"{name} in {runtime}: the forms differ by {difference:.2g}; a timing would mean nothing"
        raise RuntimeError(msg)
    timings = time_interleaved(actions, rounds=rounds)
    return {
        "case": name,
        "runtime": runtime,
        "width": each.width,
        "height": each.height,
        "largest_difference": difference,
        "milliseconds": {form: in_milliseconds(timing) for form, timing in timings.items()},
        "fused_vs_upstream": timings["upstream"].ratio_to(timings["fused"]),
        "fused_vs_plain": timings["plain"].ratio_to(timings["fused"]),
        "border_cost": timings["fused"].ratio_to(timings["fused, no border"]) - 1,
    }


def in_milliseconds(timing: Timing) -> dict[str, float]:
    """Return the figures that reports show."""
    return {
        "cpu_median": 1e3 * timing.cpu_median,
        "cpu_min": 1e3 * min(timing.cpu),
        "wall_median": 1e3 * timing.wall_median,
    }


def checks(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Compare with what the project promises."""
    found = []
    for result in results:
        required = CASES[result["case"]].required
        if required is None:
            continue
        where = f"{result['case']} in {result['runtime']}"
        ratio = result["fused_vs_upstream"]
        found.append(
            {
                "what": f"{where}: fused vs upstream",
                "measured": ratio,
                "required": f">= {required}",
                "ok": ratio >= required,
            }
        )
        if result["runtime"] == "openvino":
            cost = result["border_cost"]
            found.append(
                {
                    "what": f"{where}: exact border",
                    "measured": cost,
                    "required": f"<= {BORDER_LIMIT}",
                    "ok": cost <= BORDER_LIMIT,
                }
            )
    return found


def markdown(report: dict[str, Any]) -> str:
    """Return the report as a table for people."""
    machine = ", ".join(f"{key} {value}" for key, value in report["machine"].items() if key != "cpu")
    lines = [
        f"{report['machine']['cpu']}; {machine}.",
        f"One thread, median CPU milliseconds a frame of {report['rounds']} interleaved rounds (wall in brackets);",
        "the ratios are medians of the rounds' ratios.",
        "",
        f"| network, input | runtime | {' | '.join(FORMS)} | fused vs upstream | vs plain | exact border |",
        "|---|---|" + "---:|" * (len(FORMS) + 3),
    ]
    for result in report["results"]:
        times = [f"{each['cpu_median']:.0f} ({each['wall_median']:.0f})" for each in result["milliseconds"].values()]
        cells = [
            f"{result['case']}, {result['width']}x{result['height']}",
            result["runtime"],
            *times,
            f"{result['fused_vs_upstream']:.2f}",
            f"{result['fused_vs_plain']:.2f}",
            f"{result['border_cost']:+.1%}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    lines.append("")
    for check in report["checks"]:
        verdict = "PASS" if check["ok"] else "FAIL"
        lines.append(f"- {verdict}: {check['what']} {check['measured']:.3f} (required {check['required']})")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write; return 1 if a promise does not hold."""
    parser = argparse.ArgumentParser(description="Measure what fusion gains on this machine, on one thread.")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES), help="default: all")
    parser.add_argument("--runtimes", nargs="+", choices=RUNTIMES, default=list(RUNTIMES), help="default: both")
    parser.add_argument("--rounds", type=int, default=15, help="runs of each form (default 15)")
    parser.add_argument("--output", type=Path, help="write everything as JSON to this file")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    results = []
    for name in options.cases:
        for runtime in options.runtimes:
            print(f"{name} in {runtime} ...", file=sys.stderr, flush=True)
            results.append(measure(name, runtime, rounds=options.rounds))
    report = {
        "machine": describe_machine(PACKAGES),
        "rounds": options.rounds,
        "results": results,
        "checks": checks(results),
    }
    if options.output:
        options.output.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(markdown(report))
    return 0 if all(check["ok"] for check in report["checks"]) else 1


if __name__ == "__main__":
    sys.exit(main())
