"""Files in, files out: reading and writing images without loss of what surrounds the pixels, and jobs over many."""
