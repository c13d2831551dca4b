"""Models: what is in a checkpoint, where checkpoints lie, and where they come from.

A file is read without running code (`checkpoint`), recognised by its tensors (`detect`), and becomes a `model.Model`:
a `spec.ModelSpec` with arrays.
"""
