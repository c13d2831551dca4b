"""TensorRT-RTX builds real engines here, without a GPU; what they compute only a GPU can tell."""

from __future__ import annotations

import json
import logging
import os
import pickle
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import onnx
import pytest
from onnx import TensorProto, helper

import paragon_core
from paragon_core.backends import cuda_driver, tensorrt_build
from paragon_core.backends.engine_backend import SMALL_IMAGES
from paragon_core.backends.tensorrt_build import GraphToBuild, build, engine_key, graph_to_build, installed_version
from paragon_core.engines import IMAGES, BuildOptions, EngineCache, Profile, Target
from paragon_core.errors import BackendUnavailableError, EngineBuildError, InputError
from paragon_core.graph.graph_spec import GraphSpec
from paragon_core.models.model import load
from tests.fresh_python import PROGRAMS, run, start
from tests.patience import PATIENCE
from tests.random_models import random_model, spec

pytest.importorskip("tensorrt_rtx", reason="pip install 'paragon-sr[tensorrt-rtx]'")

ROOT = Path(__file__).parents[2]
SMALL = Profile.static((96, 64))
ONE_GPU = Target.parse("sm_86")
TWO_GPUS = Target.parse("sm_86,sm_89")
MODELS = {variant: random_model(spec(variant)) for variant in ("realtime", "stream", "photo", "pro")}
REALTIME = MODELS["realtime"]


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("io", ["float32", "uint8"])
@pytest.mark.parametrize("variant", ["realtime", "stream", "photo"])
def test_every_family_is_built(variant: str, io: Any, precision: Any) -> None:
    graph = graph_to_build(MODELS[variant], GraphSpec(io=io), precision)
    engine = build(graph, SMALL, target=ONE_GPU)
    assert len(engine) > 50_000


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("variant", ["realtime", "stream", "photo"])
def test_every_family_is_built_for_all_sizes_and_two_gpus(variant: str, precision: Any) -> None:
    graph = graph_to_build(MODELS[variant], GraphSpec(io="uint8"), precision)
    assert len(build(graph, IMAGES, target=TWO_GPUS)) > 50_000


@pytest.mark.parametrize("form", ["grey", "separate_detail", "plain"])
def test_every_form_is_built(form: str) -> None:
    wanted = GraphSpec(
        grey=form == "grey", separate_detail=form == "separate_detail", fused=form != "plain", io="float16"
    )
    graph = graph_to_build(REALTIME, wanted, "fp16")
    assert len(build(graph, SMALL, target=ONE_GPU)) > 50_000


@pytest.mark.parametrize("variant", ["realtime", "stream", "photo", "pro"])
def test_small_images_have_an_engine_of_their_own(variant: str) -> None:
    """Down to a single pixel, with another side as long as any."""
    graph = graph_to_build(MODELS[variant], GraphSpec(io="uint8"), "fp16")
    assert len(build(graph, SMALL_IMAGES, target=ONE_GPU)) > 50_000


def test_profiles_batches_targets_and_options() -> None:
    graph = graph_to_build(REALTIME, GraphSpec(), "fp16")
    one = build(graph, IMAGES, target=ONE_GPU)
    two = build(graph, IMAGES, target=TWO_GPUS)
    assert two != one
    assert len(one) > 50_000
    assert build(graph, Profile.static((97, 65), batch=4), target=Target(), options=BuildOptions(tf32=True))
    options = BuildOptions(optimization_level=1, workspace_bytes=2**28, max_aux_streams=0)
    assert build(graph, SMALL, target=ONE_GPU, options=options)


@pytest.mark.slow
@pytest.mark.parametrize("profile", [Profile.static((1920, 1080)), IMAGES], ids=lambda profile: profile.name)
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("name", ["realtime-2x", "realtime-4x"])
def test_bundled_models(name: str, precision: Any, profile: Profile) -> None:
    graph = graph_to_build(load(name), GraphSpec(io="uint8"), precision)
    assert len(build(graph, profile, target=TWO_GPUS)) > 500_000


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("file", ["v11_2xParagonSR2_Stream_fidelity", "v9_2xParagonSR2_Photo_fidelity"])
def test_official_models(shared: Path, file: str, precision: Any) -> None:
    graph = graph_to_build(load(shared / "weights" / f"{file}.safetensors"), GraphSpec(), precision)
    assert len(build(graph, Profile.static((853, 480)), target=TWO_GPUS)) > 500_000


# --- the graph and its key ---------------------------------------------------------------------------------------


def test_the_same_network_gives_the_same_graph_whoever_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = graph_to_build(REALTIME, GraphSpec(), "fp16")
    monkeypatch.setattr(paragon_core, "__version__", "99.0")
    renamed = replace(MODELS["realtime"], name="another", sha256="1" * 64)
    assert graph_to_build(renamed, GraphSpec(), "fp16") == graph
    assert graph_to_build(REALTIME, GraphSpec(size=(64, 64)), "fp16") == graph
    for other in (
        graph_to_build(REALTIME, GraphSpec(), "fp32"),
        graph_to_build(REALTIME, GraphSpec(io="uint8"), "fp16"),
        graph_to_build(REALTIME, GraphSpec(grey=True), "fp16"),
        graph_to_build(random_model(spec("realtime"), seed=1), GraphSpec(), "fp16"),
    ):
        assert other.onnx != graph.onnx


def test_the_key_says_what_is_installed() -> None:
    key = engine_key("mine", graph_to_build(REALTIME, GraphSpec(), "fp16"), "fp16", target=ONE_GPU)
    assert key.version == installed_version()
    assert (key.cuda_major, key.target, key.flavour) == (13, ONE_GPU, "tensorrt_rtx")
    assert key.platform


# --- what is refused ---------------------------------------------------------------------------------------------


def graph_of(*nodes: onnx.NodeProto, out: int = TensorProto.FLOAT) -> GraphToBuild:
    shape: list[str | int | None] = ["n", 3, "h", "w"]
    proto = helper.make_model(
        helper.make_graph(
            nodes,
            "test",
            [helper.make_tensor_value_info("input", TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info("output", out, shape)],
        ),
        opset_imports=[helper.make_opsetid("", 20)],
        ir_version=9,
    )
    return GraphToBuild(onnx=proto.SerializeToString(), io="float32", channels=3)


@pytest.mark.parametrize(
    ("graph", "reason"),
    [
        (GraphToBuild(onnx=b"nonsense", io="float32", channels=3), ""),
        (graph_of(helper.make_node("Bernoulli", ["input"], ["output"])), "Bernoulli"),
        (
            graph_of(
                helper.make_node("Cast", ["input"], ["half"], to=TensorProto.FLOAT16),
                helper.make_node("Add", ["input", "half"], ["output"]),
            ),
            "",
        ),
        (graph_of(helper.make_node("Mine", ["input"], ["output"], domain="here")), "Mine"),
    ],
    ids=["no graph", "an unknown operator", "mixed types", "a foreign operator"],
)
def test_graphs_that_tensorrt_does_not_take(graph: GraphToBuild, reason: str) -> None:
    with pytest.raises(EngineBuildError, match=f"refused the graph: (?s:.*){reason}") as caught:
        build(graph, SMALL, target=ONE_GPU)
    assert caught.value.hint
    assert "it does not say why" not in str(caught.value)
    assert len(str(caught.value)) < 700


def test_sizes_that_the_graph_does_not_take_are_an_error_although_tensorrt_only_warns() -> None:
    """Halved and doubled, a height is the same only if it is even."""
    graph = graph_of(
        helper.make_node("MaxPool", ["input"], ["small"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Concat", ["small"] * 4, ["wide"], axis=1),
        helper.make_node("DepthToSpace", ["wide"], ["again"], blocksize=2, mode="CRD"),
        helper.make_node("Add", ["input", "again"], ["output"]),
    )
    assert build(graph, Profile(minimum=(64, 64), optimum=(64, 64), maximum=(128, 128)), target=ONE_GPU)
    for profile in (
        Profile(minimum=(64, 65), optimum=(64, 66), maximum=(128, 128)),
        Profile(minimum=(64, 64), optimum=(65, 66), maximum=(128, 128)),
        Profile(minimum=(64, 64), optimum=(66, 66), maximum=(129, 128)),
    ):
        with pytest.raises(EngineBuildError, match=profile.name):
            build(graph, profile, target=ONE_GPU)


def test_an_unknown_gpu_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(InputError, match="sm_90") as caught:
        build(graph_to_build(REALTIME, GraphSpec(), "fp16"), SMALL, target=Target.parse("sm_86,sm_90"))
    assert "sm_86" in caught.value.hint


def test_full_tensorrt_is_not_touched_without_a_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing() -> None:
        raise BackendUnavailableError("no driver", hint="install one")

    monkeypatch.setattr(cuda_driver, "find", nothing)
    monkeypatch.setattr(tensorrt_build, "module", pytest.fail)
    with pytest.raises(BackendUnavailableError, match="no driver"):
        build(graph_to_build(REALTIME, GraphSpec(), "fp16"), SMALL, target=ONE_GPU, flavour="tensorrt")


def a_tensorrt(version: str) -> ModuleType:
    """Return as much of TensorRT 11 as is asked before a GPU is needed."""
    module = ModuleType("tensorrt")
    module.__dict__["__version__"] = version
    return module


def test_full_tensorrt_must_not_be_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    for version in ("10.12.0.36", "11.4.0.106"):
        monkeypatch.setitem(sys.modules, "tensorrt", a_tensorrt(version))
        assert installed_version("tensorrt") == version
        tensorrt_build.check_target("tensorrt", Target.parse("sm_90"))
    monkeypatch.setitem(sys.modules, "tensorrt", a_tensorrt("10.9.0.34"))
    with pytest.raises(BackendUnavailableError, match=r"too old: Paragon needs 10\.12"):
        installed_version("tensorrt")
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    with pytest.raises(BackendUnavailableError, match=r"not installed|does not load"):
        installed_version("tensorrt")


def test_types_are_asked_for_where_they_are_not_a_matter_of_course() -> None:
    class Ten:
        class NetworkDefinitionCreationFlag:
            STRONGLY_TYPED = 3

    class Later:
        class NetworkDefinitionCreationFlag:
            pass

    assert tensorrt_build.network_flags(Ten) == 8
    assert tensorrt_build.network_flags(Later) == 0


def test_without_tensorrt_the_pip_line_is_told() -> None:
    result = run(
        """
        from paragon_core.backends.tensorrt_build import installed_version
        from paragon_core.errors import BackendUnavailableError
        try:
            installed_version()
        except BackendUnavailableError as error:
            print(error, "|", error.hint)
        """,
        without=["tensorrt_rtx"],
    )
    assert result.stdout == "TensorRT-RTX is not installed | pip install tensorrt-rtx-cu13==1.7.1.116\n"


# --- while it builds ---------------------------------------------------------------------------------------------


def test_progress_only_grows() -> None:
    told: list[tuple[float, str]] = []
    build(
        graph_to_build(REALTIME, GraphSpec(), "fp16"), SMALL, target=ONE_GPU, progress=lambda *both: told.append(both)
    )
    shares = [share for share, _ in told]
    assert len(shares) > 10
    assert shares == sorted(shares)
    assert 0 <= shares[0] < 0.2
    assert 0.8 < shares[-1] <= 1
    assert all(doing for _, doing in told)


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError, EngineBuildError, SystemExit])
def test_an_error_from_progress_stops_the_build_and_comes_out(error: type[BaseException]) -> None:
    calls = 0

    def stop(share: float, _: str) -> None:
        nonlocal calls
        calls += 1
        if share > 0.1:
            raise error("enough")

    with pytest.raises(error):
        build(graph_to_build(REALTIME, GraphSpec(), "fp16"), SMALL, target=ONE_GPU, progress=stop)
    before = calls
    assert build(graph_to_build(REALTIME, GraphSpec(), "fp16"), SMALL, target=ONE_GPU)
    assert calls == before


def test_who_stops_a_build_need_not_wait_until_tensorrt_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its longest step stands still here for as long as it takes."""
    really_build, go_on = tensorrt_build._build, threading.Event()  # noqa: SLF001  (TensorRT has no step that waits)

    def slowly_build(*arguments: Any) -> bytes:
        assert go_on.wait(PATIENCE)
        return really_build(*arguments)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(tensorrt_build, "_build", slowly_build)
    try:
        with pytest.raises(KeyboardInterrupt):
            build(graph_to_build(REALTIME, GraphSpec(), "fp16"), SMALL, target=ONE_GPU, progress=stop)
        (builder,) = (each for each in threading.enumerate() if each.name.startswith("paragon-build"))
    finally:
        go_on.set()
    builder.join(PATIENCE)
    assert not builder.is_alive()


def test_nothing_is_written_to_stdout_where_a_video_may_be(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, logger="paragon_core"):
        build(graph_to_build(REALTIME, GraphSpec(), "fp16"), SMALL, target=ONE_GPU)
        with pytest.raises(EngineBuildError):
            build(GraphToBuild(onnx=b"nonsense", io="float32", channels=3), SMALL, target=ONE_GPU)
    assert capfd.readouterr() == ("", "")
    assert caplog.records
    assert {record.levelno for record in caplog.records} == {logging.DEBUG}
    assert tensorrt_build.installed_version() == "1.7.1.116"


# --- with the cache ----------------------------------------------------------------------------------------------


def test_of_eight_processes_one_builds(tmp_path: Path) -> None:
    graph = graph_to_build(REALTIME, GraphSpec(), "fp16")
    key = engine_key("realtime", graph, "fp16", target=ONE_GPU)
    (tmp_path / "asked").write_bytes(pickle.dumps((graph, key, IMAGES)))
    arguments = (tmp_path / "cache", tmp_path / "asked", time.time() + 5)
    processes = [start(PROGRAMS / "builds_an_engine.py", *arguments) for _ in range(8)]
    results = [process.communicate(timeout=PATIENCE)[0].split() for process in processes]
    assert [process.returncode for process in processes] == [0] * 8
    assert sum(int(builds) for builds, *_ in results) == 1
    assert len({digest for *_, digest in results}) == 1
    (entry,) = EngineCache(tmp_path / "cache").entries()
    assert EngineCache(tmp_path / "cache").verify(entry) == ""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="starts processes by forking, to be quick")
def test_killed_with_a_real_engine(tmp_path: Path) -> None:
    """As tests/engines/test_kill.py, with as many bytes as engines have."""
    engine = build(graph_to_build(load("realtime-2x"), GraphSpec(), "fp16"), IMAGES, target=ONE_GPU)
    (tmp_path / "engine").write_bytes(engine)
    arguments = [str(tmp_path / "cache"), "40", "1", str(tmp_path / "engine")]
    command = [sys.executable, "-m", "tests.engines.killing", *arguments]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["wrong"] == 0
