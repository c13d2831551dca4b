"""The native kernel: networks without attention on a processor, in machine code of our own.

Its C interface is ``source/paragon_native.h``. `packing` writes a network the way it takes it, `interface` has its
structures, `library` finds and loads it, and `kernel` runs it on arrays.
"""
