"""Mutate .safetensors files by their structure: entries of the table of tensors, its text, its length, and notes."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any, Final

from tests.models.mutated_archives import NETWORKS, odd_number

if TYPE_CHECKING:
    import random

_DTYPES: Final = (
    *("F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8", "U8", "BOOL", "U16", "U32", "U64", "C64"),
    *("F8_E4M3", "F8_E5M2", "F8_E8M0", "F6_E2M3", "F4", "f32", "", "F33", "\x1b[31m"),
)
_NOTES: Final = ("upsampler_alpha", "window_size", "scores", "note\x1b[2J", "x" * 3000)
_TEXTS: Final = (
    *("", "0", "0.3", "-1", "16", "64", "65", "1000", "1e3", "8.5", "nan", "inf", "1" * 400, "9" * 5000, "x" * 2**20),
    *(
        "None",
        "\x1b]0;owned\x07",
        "\u202e",
        "\u0663",
        '{"Set5": {"psnr_y": 30}}',
        '{"Set5": {"psnr_y": 1' + "0" * 400 + "}}",
    ),
    *('{"Set5": {"psnr_y": 1e999}}', '{"Set5": 3}', '{"Set5": {"psnr_y": true}}', "[" * 100_000, "[[1]]", "{", "null"),
    json.dumps({f"s{index}": {"psnr_y": 30} for index in range(1000)}),
    json.dumps({"a\x1b" * 50: {"psnr_y": 30.5}}),
)


def _odd_json(chance: random.Random) -> Any:
    """Return any value that JSON can hold, or what `json` writes though JSON cannot."""
    return chance.choice(
        (
            lambda: odd_number(chance),
            lambda: float(odd_number(chance) % 2**70),
            lambda: chance.choice((None, True, False, "", "4", [], {}, [[]], {"a": []}, 1e300, float("nan"), -0.0)),
            lambda: [odd_number(chance) for _ in range(chance.choice((1, 2, 3, 65, 2000)))],
            lambda: chance.choice(_TEXTS),
        )
    )()


def _entry(chance: random.Random, entry: dict[str, Any], share: float) -> dict[str, Any]:
    """Return an entry of the table of which a share of the fields is odd."""
    entry = dict(entry)
    if chance.random() < share:
        entry["dtype"] = chance.choice(_DTYPES)
    if chance.random() < share:
        shape = list(entry["shape"])
        kind = chance.randrange(5)
        if kind == 0 and shape:
            shape[chance.randrange(len(shape))] = _odd_json(chance)
        elif kind == 1:
            shape = [1] * chance.choice((1, 64, 65, 1000)) + shape
        elif kind == 2:
            shape = [0, odd_number(chance), *shape]
        elif kind == 3:
            shape = shape[::-1]
        else:
            shape = _odd_json(chance)
        entry["shape"] = shape
    if chance.random() < share:
        begin, end = entry["data_offsets"]
        entry["data_offsets"] = chance.choice(
            (
                [end, begin],
                [begin, begin],
                [0, end],
                [begin + 4, end + 4],
                [begin, odd_number(chance)],
                [odd_number(chance), end],
                [begin, end, end],
                _odd_json(chance),
            )
        )
    if chance.random() < share / 2:
        entry["junk"] = _odd_json(chance)
    if chance.random() < share / 4:
        del entry[chance.choice(list(entry))]
    return entry


def _pairs(chance: random.Random) -> tuple[list[tuple[str, Any]], bytes]:
    """Return the names and entries of the table, and the values."""
    share = chance.choice((0.0, 0.005, 0.01, 0.02, 0.2))
    pairs: list[tuple[str, Any]] = []
    body = b""
    for key, value in chance.choice(NETWORKS).items():
        raw = value.tobytes()
        entry = {"dtype": "F32", "shape": list(value.shape), "data_offsets": [len(body), len(body) + len(raw)]}
        body += raw
        odd_name = chance.random() < share / 4
        named = (
            chance.choice(("", "\x1b[31m", "module." + key, "conv_in.weight", key * 500, "step")) if odd_name else key
        )
        pairs.append((named, _odd_json(chance) if chance.random() < share / 8 else _entry(chance, entry, share)))
        if chance.random() < share / 8:
            pairs.append(pairs[-1])
    if chance.random() < 0.6:
        notes: Any = {chance.choice(_NOTES): chance.choice(_TEXTS) for _ in range(chance.choice((1, 2, 5)))}
        if chance.random() < 0.1:
            notes = chance.choice(
                (_odd_json(chance), {"upsampler_alpha": _odd_json(chance)}, {str(i): "" for i in range(5000)})
            )
        pairs.insert(chance.randrange(len(pairs) + 1), ("__metadata__", notes))
    if chance.random() < 0.05:
        empty = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
        pairs += [(f"body.{index}.blocks.0.x", empty) for index in range(chance.choice((1000, 9000, 20_000)))]
    if chance.random() < 0.1:
        chance.shuffle(pairs)
    return pairs, body


def _header(chance: random.Random, pairs: list[tuple[str, Any]]) -> bytes:
    text = "{" + ",".join(f"{json.dumps(key)}:{json.dumps(value)}" for key, value in pairs) + "}"
    kind = chance.randrange(30)
    if kind == 0:
        depth = chance.choice((100, 127, 500, 5000))
        text = text[:-1] + ',"junk":' + "[" * depth + "]" * depth + "}"
    elif kind == 1:
        text = text[:-1] + ',"x":{"dtype":"F32","shape":[0],"data_offsets":[0,0],"junk":[' + "[]," * 200_000 + "[]]}}"
    elif kind == 2:
        text = text + " " * chance.choice((1, 7, 3 * 2**20))
    elif kind == 3:
        at = chance.randrange(len(text))
        text = (
            text[:at]
            + chance.choice(("", '"', "{", "]", ",", "\\ud800", "\x00", "9" * 5000))
            + text[at + chance.randrange(3) :]
        )
    return text.encode(chance.choice(("utf-8",) * 40 + ("utf-16",)), "surrogatepass")


def mutated_safetensors(chance: random.Random) -> bytes:
    """Return a .safetensors file of a small network in which something is odd."""
    pairs, body = _pairs(chance)
    header = _header(chance, pairs)
    length = len(header)
    if chance.random() < 0.05:
        length = chance.choice((length - 1, length + 1, length + len(body), abs(odd_number(chance)))) % 2**64
    if chance.random() < 0.05:
        body = chance.choice((body[:-1], body + b"\x00", body * 2, b"", bytes(len(body)), b"\xff" * len(body)))
    whole = bytearray(struct.pack("<Q", length) + header + body)
    if chance.random() < 0.05:
        for _ in range(chance.choice((1, 5))):
            whole[chance.randrange(len(whole))] = chance.randrange(256)
    return bytes(whole)
