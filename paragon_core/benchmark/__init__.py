"""Measuring a machine: speed and memory of every runtime, and whether they reproduce the network."""
