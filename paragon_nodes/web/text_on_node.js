// Shows the text outputs of the nodes below on the nodes themselves: the page draws text for its own nodes only.
import { app } from "../../scripts/app.js";

// Width and height that they have when they are added.
const KINDS = { ParagonInfo: [460, 260], ParagonBuildEngine: [460, 360] };
const WIDGET = "report";

function show(node, output) {
    const widget = node.widgets?.find((each) => each.name === WIDGET);
    if (widget && output?.text) widget.value = [output.text].flat().join("\n");
}

app.registerExtension({
    name: "Paragon.TextOnNode",

    nodeCreated(node) {
        const least = KINDS[node.comfyClass];
        if (!least || !node.addDOMWidget) return;
        const area = document.createElement("textarea");
        area.className = "comfy-multiline-input";
        area.readOnly = true;
        const widget = node.addDOMWidget(WIDGET, "paragon_text", area, {
            serialize: false, // not part of what is queued
            hideOnZoom: false,
            getMinHeight: () => 100,
            getValue: () => area.value,
            setValue: (value) => {
                area.value = value;
            },
        });
        widget.serialize = false; // nor of the workflow's file
        const onExecuted = node.onExecuted;
        node.onExecuted = function (output) {
            onExecuted?.apply(this, arguments);
            show(this, output);
        };
        node.setSize(node.size.map((side, axis) => Math.max(side, least[axis])));
    },

    // Outputs come back when another workflow's tab was open meanwhile.
    onNodeOutputsUpdated(outputs) {
        for (const [locator, output] of Object.entries(outputs)) {
            const node = app.graph?.getNodeById(locator.split(":").at(-1));
            if (node?.comfyClass in KINDS) show(node, output);
        }
    },
});
