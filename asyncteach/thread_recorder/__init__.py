"""The parts of `record_threads()`: stamps, a log for each thread, and the trace made of them."""
