"""From an image to a larger one: `upscaler.Upscaler`, and what it takes to do that tile by tile in any precision."""
