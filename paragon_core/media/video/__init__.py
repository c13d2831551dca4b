"""Videos: frames, and the sound, subtitles and metadata that come with them."""
