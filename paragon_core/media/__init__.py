"""Files in, files out: reading and writing pictures without loss of what surrounds the pixels, and jobs over many."""
