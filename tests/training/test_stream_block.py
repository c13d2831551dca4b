from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paragon_core.models.spec import PRODUCT_LIMIT, preset

torch = pytest.importorskip("torch")

from paragon_core.network.blocks import StreamBlock
from paragon_core.training.stream_block import plain_depthwise, stream_block

if TYPE_CHECKING:
    from paragon_core.models.spec import Revision


@given(dilation=st.integers(1, 4), height=st.integers(1, 13), width=st.integers(1, 13), innermost=st.booleans())
def test_a_plain_convolution_does_what_the_dilated_one_does(
    dilation: int, height: int, width: int, *, innermost: bool
) -> None:
    conv = torch.nn.Conv2d(5, 5, 3, padding=dilation, dilation=dilation, groups=5)
    x = torch.rand(2, 5, height, width)
    if innermost:
        x = x.contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        assert torch.allclose(plain_depthwise(conv, x), conv(x), atol=1e-6)


@pytest.mark.parametrize("revision", ["v9", "v11"])
def test_block_and_gradients_are_those_of_the_network(revision: Revision) -> None:
    block = StreamBlock(replace(preset("stream", 2, revision=revision), channels=16)).double()
    x = torch.rand(2, 16, 14, 11, dtype=torch.float64)
    made = []
    for run in (block, lambda x: stream_block(block, x, bound=PRODUCT_LIMIT if revision == "v11" else None)):
        block.zero_grad()
        output = run(x)
        output.square().sum().backward()
        made.append([output, *(parameter.grad for parameter in block.parameters())])
    for expected, found in zip(*made, strict=True):
        assert torch.allclose(found, expected, rtol=1e-10, atol=1e-12)


def test_the_product_is_clamped_when_it_has_to_be() -> None:
    block = StreamBlock(preset("stream", 2, revision="v11"))
    for parameter in block.parameters():
        torch.nn.init.constant_(parameter, 10)
    x = torch.rand(1, 32, 4, 4)
    with torch.no_grad():
        assert torch.equal(stream_block(block, x, bound=PRODUCT_LIMIT), block(x))
        assert not torch.equal(stream_block(block, x, bound=None), block(x))
