"""The server of the I/O lessons: what it does with whom, the thread it lives in, and a site."""
