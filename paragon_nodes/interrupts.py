"""The stop button, for all threads that work on one run of a node."""

from __future__ import annotations

from comfy import model_management


def check_interrupt(*_progress: int) -> None:
    """Leave with ComfyUI's own exception if the user pressed stop."""
    model_management.throw_exception_if_processing_interrupted()


class Interrupt:
    """Leaves each thread that calls it: ComfyUI itself forgets the stop button once one of them has left."""

    def __init__(self) -> None:
        self._pressed = False

    def renew(self) -> None:
        """Forget an earlier run."""
        self._pressed = False

    def __call__(self, *_arguments: object) -> None:
        """Raise ComfyUI's own exception if the user pressed stop since `renew`."""
        if self._pressed:
            raise model_management.InterruptProcessingException
        try:
            check_interrupt()
        except BaseException:  # which class it derives from differs between versions
            self._pressed = True
            raise
