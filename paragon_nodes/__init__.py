"""ParagonSR2 in ComfyUI: nodes of its V3 schema over `paragon_core`."""
