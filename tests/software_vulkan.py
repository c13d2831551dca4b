"""Vulkan on the processor: for tests of what runs on graphics cards, on machines that have none."""

from __future__ import annotations

import ctypes.util
from pathlib import Path
from typing import Final

import pytest

#: SwiftShader, which comes with Chromium: Debian's package, Ubuntu's, and Google's builds.
SWIFTSHADER: Final = (
    "/usr/lib/chromium/vk_swiftshader_icd.json",
    "/usr/lib/chromium-browser/vk_swiftshader_icd.json",
    "/opt/google/chrome/vk_swiftshader_icd.json",
)

#: lavapipe of Mesa, Debian's package mesa-vulkan-drivers.
LAVAPIPE: Final = ("/usr/share/vulkan/icd.d/lvp_icd.x86_64.json", "/usr/share/vulkan/icd.d/lvp_icd.json")


def use(monkeypatch: pytest.MonkeyPatch, *drivers: str) -> None:
    """Let processes that are started find the first of these drivers that is installed, and no other.

    Skips the test where there is none.
    """
    if ctypes.util.find_library("vulkan") is None:
        pytest.skip("needs Vulkan: apt install libvulkan1")
    driver = next((driver for driver in drivers if Path(driver).is_file()), None)
    if driver is None:
        pytest.skip("needs a Vulkan that computes on the processor: apt install chromium mesa-vulkan-drivers")
    for name in ("VK_DRIVER_FILES", "VK_ICD_FILENAMES"):  # the latter is the older name
        monkeypatch.setenv(name, driver)
    monkeypatch.setenv("ORT_WEBGPU_EP_ALLOW_SOFTWARE_ADAPTER", "1")
