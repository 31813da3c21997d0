"""How time can be virtual: one clock, the threads and the loops that follow it."""
