"""Work for several processes: units of it are handed out to slots on this machine's devices, or on a Ray cluster."""
