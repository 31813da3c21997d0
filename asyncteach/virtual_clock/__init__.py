"""Virtual time: one clock, and the threads and the loops that follow it."""
