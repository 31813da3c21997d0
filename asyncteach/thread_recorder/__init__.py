"""What `record_threads()` is made of: stamps, a thread's log, and what both show."""
