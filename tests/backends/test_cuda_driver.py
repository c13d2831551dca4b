"""What NVIDIA's driver is asked, and what is made of its answers."""

from __future__ import annotations

import ctypes
from typing import Any

import pytest

from paragon_core.backends import cuda_driver
from paragon_core.errors import BackendUnavailableError


class Library:
    """As much of libcuda as is asked, with two cards."""

    def __init__(self, *, cards: int = 2, code: int = 0, cuda: int = 13_010) -> None:
        self.cards, self.code, self.cuda = cards, code, cuda
        self.code_of_memory = self.pushed = 0
        self.held: list[int] = []

    def cuInit(self, flags: int) -> int:  # noqa: N802
        assert flags == 0
        return self.code

    def cuDriverGetVersion(self, out: Any) -> int:  # noqa: N802
        return self.set(out, self.cuda)

    def cuDeviceGetCount(self, out: Any) -> int:  # noqa: N802
        return self.set(out, self.cards)

    def cuDeviceGet(self, out: Any, index: int) -> int:  # noqa: N802
        return self.set(out, 7 + index)

    def cuDeviceGetName(self, name: Any, size: int, device: int) -> int:  # noqa: N802
        assert size == len(name)
        name.value = f"NVIDIA Card {device}".encode()
        return 0

    def cuDeviceGetAttribute(self, out: Any, what: int, device: int) -> int:  # noqa: N802
        return self.set(out, {75: 8, 76: 6 if device == 7 else 9, 16: 28}[what])

    def cuDevicePrimaryCtxRetain(self, out: Any, device: int) -> int:  # noqa: N802
        self.held.append(device)
        return self.set(out, 4096)

    def cuDevicePrimaryCtxRelease_v2(self, device: int) -> int:  # noqa: N802
        self.held.remove(device)
        return 0

    def cuCtxPushCurrent_v2(self, context: ctypes.c_void_p) -> int:  # noqa: N802
        assert context.value == 4096
        self.pushed += 1
        return 0

    def cuCtxPopCurrent_v2(self, out: Any) -> int:  # noqa: N802
        self.pushed -= 1
        return self.set(out, 4096)

    def cuMemGetInfo_v2(self, free: Any, total: Any) -> int:  # noqa: N802
        assert self.pushed == 1
        self.set(total, 8 * 2**30)
        return self.code_of_memory or self.set(free, 6 * 2**30)

    @staticmethod
    def set(out: Any, value: int) -> int:
        out._obj.value = value  # noqa: SLF001
        return 0


def test_version_and_cards_are_told() -> None:
    found = cuda_driver.ask(Library())
    assert found.cuda == (13, 1)
    assert [(gpu.index, gpu.name, gpu.capability) for gpu in found.gpus] == [
        (0, "NVIDIA Card 7", "sm_86"),
        (1, "NVIDIA Card 8", "sm_89"),
    ]
    assert found.gpus[0].multiprocessors == 28


@pytest.mark.parametrize(
    ("library", "reason"),
    [(Library(cards=0), "no GPU"), (Library(code=100), "no GPU"), (Library(code=804), "CUDA error 804")],
    ids=["none", "none found", "broken"],
)
def test_what_is_missing_is_told(library: Library, reason: str) -> None:
    with pytest.raises(BackendUnavailableError, match=reason) as caught:
        cuda_driver.ask(library)
    assert caught.value.hint


def test_free_memory_is_asked_of_the_gpus_own_context_which_is_left_as_it_was() -> None:
    library = Library()
    assert cuda_driver.free_memory(1, library) == 6 * 2**30
    library.code_of_memory = 999
    assert cuda_driver.free_memory(1, library) is None
    assert cuda_driver.free_memory(0, Library(code=100)) is None
    assert (library.pushed, library.held) == (0, [])


def test_a_driver_that_does_not_say_its_free_memory_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    class Old:
        def cuInit(self, _: int) -> int:  # noqa: N802
            return 0

    assert cuda_driver.free_memory(0, Old()) is None

    def missing(name: str) -> ctypes.CDLL:
        raise OSError(name)

    monkeypatch.setattr(ctypes, "CDLL", missing)
    assert cuda_driver.free_memory(0) is None


def test_without_the_driver_its_page_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> ctypes.CDLL:
        raise OSError(name)

    monkeypatch.setattr(ctypes, "CDLL", missing)
    with pytest.raises(BackendUnavailableError, match="driver is not installed") as caught:
        cuda_driver.find()
    assert "nvidia.com/drivers" in caught.value.hint
