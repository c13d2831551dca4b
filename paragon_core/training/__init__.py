"""Training of ParagonSR2 networks: data from folders of pictures, start, optimiser, loop. Needs torch."""
