"""A page that shows what upscaling did: one HTML file, from `collect` over `encoded_images` to `page`."""
