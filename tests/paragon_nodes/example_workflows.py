"""The example workflows, as the page saves them and as the queue takes them."""

from __future__ import annotations

import json
from typing import Any

from tests.paragon_nodes.comfy_server import ROOT, Workflow

FOLDER = ROOT / "example_workflows"
NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))


def saved(name: str) -> dict[str, Any]:
    """Return a workflow as the page saves it."""
    workflow: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return workflow


def queued(workflow: dict[str, Any], kinds: dict[str, Any]) -> Workflow:
    """Return what the page posts for a saved workflow.

    Args:
        workflow: lists nodes with the values of their widgets, and links from an output to an input.
        kinds: what the server tells of its nodes at ``/object_info``. Notes are none of them.

    """
    origins = {number: [str(node), output] for number, node, output, *_ in workflow["links"]}
    posted: Workflow = {}
    for node in workflow["nodes"]:
        if node["type"] not in kinds:
            continue
        order = kinds[node["type"]]["input_order"]
        known = {*order.get("required", ()), *order.get("optional", ())}
        widgets = node.get("widgets_values_named", {})
        inputs = {name: value for name, value in widgets.items() if name.partition(".")[0] in known}
        inputs |= {each["name"]: origins[each["link"]] for each in node["inputs"] if each["link"] is not None}
        # A view that is not saved; what it shows is no input.
        inputs |= {each["name"]: {"__value__": ["", ""]} for each in node["inputs"] if each["type"] == "IMAGECOMPARE"}
        posted[str(node["id"])] = {"class_type": node["type"], "inputs": inputs}
    return posted
