"""ParagonSR2 for other programs' loaders; each module imports the library that it serves."""
