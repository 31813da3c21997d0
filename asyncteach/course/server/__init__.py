"""The server of the I/O lessons: what it answers, the thread that it runs in, and a site."""
