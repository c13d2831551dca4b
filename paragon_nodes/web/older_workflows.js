// Opens workflows that were saved when Upscale Image To showed the inputs of all its modes at once (release 0.1).
import { app } from "../../scripts/app.js";

const KIND = "ParagonUpscaleTo";
const MODE = "mode";
const OLDER = [MODE, "factor", "edge", "width", "height", "megapixels", "multiple_of", "tile_size"];
const OF_MODE = {
    factor: ["factor"],
    "short edge": ["edge"],
    "long edge": ["edge"],
    fit: ["width", "height"],
    megapixels: ["megapixels"],
};

function valuesByName(node) {
    if (node.widgets_values_named) return node.widgets_values_named;
    if (!Array.isArray(node.widgets_values)) return {};
    return Object.fromEntries(node.widgets_values.map((value, index) => [OLDER[index], value]));
}

function isOlder(node) {
    if (node.type !== KIND) return false;
    return node.widgets_values_named ? "factor" in node.widgets_values_named : node.widgets_values?.length === OLDER.length;
}

function migrate(node) {
    const values = valuesByName(node);
    const shown = OF_MODE[values[MODE]] ?? OF_MODE.factor;
    const renamed = Object.fromEntries(shown.map((name) => [name, `${MODE}.${name}`]));
    const names = [MODE, ...shown, "multiple_of", "tile_size"];
    node.widgets_values = names.map((name) => values[name]);
    node.widgets_values_named = Object.fromEntries(names.map((name) => [renamed[name] ?? name, values[name]]));
    for (const input of node.inputs ?? []) {
        if (!(input.name in renamed)) continue;
        input.name = renamed[input.name];
        if (input.widget) input.widget.name = input.name;
    }
}

// Inputs of other modes went to nothing, and so do links to them.
function dropOthers(graph) {
    for (const node of graph.nodes ?? []) {
        if (!isOlder(node)) continue;
        migrate(node);
        const gone = (node.inputs ?? []).filter((input) => OLDER.slice(1, 6).includes(input.name));
        node.inputs = node.inputs?.filter((input) => !gone.includes(input));
        const links = new Set(gone.map((input) => input.link).filter((link) => link != null));
        graph.links = graph.links?.filter((link) => !links.has(link[0] ?? link.id));
        for (const other of graph.nodes)
            for (const output of other.outputs ?? []) output.links = output.links?.filter((link) => !links.has(link));
    }
}

app.registerExtension({
    name: "Paragon.OlderWorkflows",

    beforeConfigureGraph(workflow) {
        for (const graph of [workflow, ...(workflow.definitions?.subgraphs ?? [])]) dropOthers(graph);
    },
});
