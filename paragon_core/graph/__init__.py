"""The fused network, written down: `fuse` finds it, the writers spell it out for ONNX and torch."""
