"""Films: pictures with times, and what stands beside them."""
