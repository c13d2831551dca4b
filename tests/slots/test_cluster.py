"""Slots on a Ray cluster: a real one, whose machines are all this one."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import psutil
import pytest

pytest.importorskip("ray", reason="needs Ray")

from paragon_core.errors import BackendUnavailableError, InputError
from paragon_core.slots.cluster import RaySlots
from paragon_core.slots.copies import Place
from paragon_core.slots.run import Reports, run_on_slots
from tests.fresh_python import ROOT, run
from tests.media.video import videos
from tests.patience import PATIENCE
from tests.slots import work

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from paragon_core.media.jobs import JobResult
    from paragon_core.slots.settings import SlotSettings

# Ray's own warnings, and sockets and files that it leaves to the collector.
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.slow]

_MEMORY = 80 * 2**20


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Return a cluster of two machines with a CPU each, next to the one that manages it."""
    from ray.cluster_utils import Cluster  # noqa: PLC0415 - it takes seconds

    before = signal.getsignal(signal.SIGTERM)  # the cluster takes it
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("RAY_USAGE_STATS_ENABLED", "0")
        head = {"num_cpus": 0, "include_dashboard": False, "object_store_memory": _MEMORY}
        made = Cluster(initialize_head=True, head_node_args=head)
        for _ in range(2):
            made.add_node(wait=False, num_cpus=1, object_store_memory=_MEMORY)
        made.wait_for_nodes()
        yield made
        made.shutdown()
    signal.signal(signal.SIGTERM, before)


def manager_of(machine: Any) -> int:
    """Return the id of the process that starts those of actors on a machine."""
    pid: int = machine.all_processes["raylet"][0].process.pid
    return pid


def actors(cluster: Any) -> list[psutil.Process]:
    """Return the processes of slots on all machines of a cluster; the machine may be home to other clusters."""
    managers = {manager_of(machine) for machine in cluster.list_all_nodes()}
    found = [each for each in psutil.process_iter(["name", "ppid"]) if each.info["ppid"] in managers]
    return [each for each in found if "ClusterSlot" in (each.info["name"] or "")]


def upscaled(
    cluster: Any,
    sources: Path,
    target: Path,
    report: Callable[[JobResult], None] = lambda _: None,
    settings: SlotSettings | None = None,
) -> dict[str, bytes]:
    """Upscale a folder on the cluster, and return what is in the target then."""
    with RaySlots(settings or work.settings(), cluster.address, at_once=2) as slots:
        run_on_slots(work.jobs_of(sources, target), slots, at_once=2, reports=Reports(finished=report))
    return work.content(target)


def test_results_are_those_of_one_process_also_when_a_worker_and_a_machine_are_killed(
    cluster: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = work.settings(chunk=8)
    sources = work.images(tmp_path / "in", 9)
    videos.make(sources / "a.mkv", times=range(60))
    jobs = work.jobs_of(sources, tmp_path / "alone")
    expected = work.alone(jobs, settings)
    reported: list[JobResult] = []

    def harm(result: JobResult) -> None:
        reported.append(result)
        if len(reported) == 1:
            actors(cluster)[0].kill()
        if len(reported) == 5:
            at_work = {actor.ppid() for actor in actors(cluster)}
            machine = next(node for node in cluster.list_all_nodes() if manager_of(node) in at_work)
            cluster.remove_node(machine, allow_graceful=False)

    try:
        made = upscaled(cluster, sources, tmp_path / "out", harm, settings)
    finally:
        cluster.add_node(num_cpus=1, object_store_memory=_MEMORY)
    assert made == work.content(tmp_path / "alone")
    assert len(made) == 10
    assert {result.state for result in expected} == {"written", "failed"}
    assert caplog.text.count("was lost") >= 2
    assert len(reported) == len(jobs)
    assert actors(cluster) == []


def test_machines_that_do_not_see_the_files_get_copies(
    cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = work.settings(chunk=8)
    sources = work.images(tmp_path / "in", 3)
    videos.make(sources / "a.mkv", times=range(20))
    work.alone(work.jobs_of(sources, tmp_path / "alone"), settings)
    monkeypatch.setattr(Place, "of", lambda source, _: Place(source=(0, 0), marker=source))
    monkeypatch.setattr("paragon_core.slots.copies.PIECE", 10_000)
    reported: list[JobResult] = []
    made = upscaled(cluster, sources, tmp_path / "out", reported.append, settings)
    assert made == work.content(tmp_path / "alone")
    assert sorted(result.state for result in reported) == ["failed", *["written"] * 4]
    reported.clear()
    upscaled(cluster, sources, tmp_path / "out", reported.append, settings)
    assert sorted(result.state for result in reported) == ["failed", *["skipped"] * 4]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signal that reaches one process only")
def test_an_interrupt_leaves_no_half_file_and_no_process(cluster: Any, tmp_path: Path) -> None:
    sources = work.images(tmp_path / "in", 16, (400, 300))
    command = ["upscale", str(sources), "-o", str(tmp_path / "out"), "--ray", cluster.address]
    process = subprocess.Popen(
        [sys.executable, "-m", "paragon_core.cli.main", *command, "--backend", "onnxruntime", "--precision", "fp32"],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + PATIENCE
    while not any(path.suffix == ".png" for path in (tmp_path / "out").glob("*")):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    slots = actors(cluster)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    assert "onnxruntime fp32" in errors
    made = work.content(tmp_path / "out")
    assert 0 < len(made) < 16
    assert all(name.endswith(".png") for name in made)
    assert slots
    _, alive = psutil.wait_procs(slots, timeout=PATIENCE)
    assert alive == []


def test_without_ray_the_error_has_the_line_that_installs_it(tmp_path: Path) -> None:
    work.images(tmp_path, 1)
    result = run(
        "import sys; from paragon_core.cli.main import main; sys.exit(main(sys.argv[1:]))",
        *("upscale", tmp_path / "00.png", "--ray", "auto"),
        without=["ray"],
        check=False,
    )
    assert result.returncode == 3
    assert "Ray is not installed here" in result.stderr
    assert 'hint: pip install "paragon-sr[cluster]"' in result.stderr


@pytest.mark.parametrize(
    ("address", "device", "words"),
    [("ray://head:10001", "auto", "Ray client"), ("auto", "cuda:1", "Ray chooses the cards of its slots")],
)
def test_what_ray_does_not_do_is_refused(address: str, device: str, words: str) -> None:
    options = work.OPTIONS.changed(device=device)
    with pytest.raises(InputError, match=words):
        RaySlots(work.settings(options=options), address, at_once=1)


@pytest.mark.parametrize(
    ("reason", "message", "way_out"),
    [
        (
            "Could not find any running Ray instance.\nPlease specify the one to connect to",
            "no Ray cluster runs on this machine",
            "ray start --head",
        ),
        # What Ray 2.60 says, after 20 seconds, of a cluster that asks for a token.
        ("Failed to connect to Ray cluster at 10.0.0.1:6379", "cannot be reached", "RAY_AUTH_MODE=token"),
    ],
)
def test_without_a_cluster_that_takes_it_the_error_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, reason: str, message: str, way_out: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ConnectionError(reason)

    monkeypatch.setattr("ray.init", fail)
    with pytest.raises(BackendUnavailableError, match=message) as error:
        RaySlots(work.settings(), "auto", at_once=1).__enter__()
    assert way_out in error.value.hint


def test_an_address_where_nobody_is_is_an_error_at_once() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens
        address = "{}:{}".format(*taken.getsockname())
        with pytest.raises(BackendUnavailableError, match=f"the Ray cluster at {address} cannot be reached: "):
            RaySlots(work.settings(), address, at_once=1).__enter__()
