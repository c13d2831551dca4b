"""Training of ParagonSR2 networks: data from folders of images, initialization, optimiser, loop. Needs torch."""
