"""The server of the I/O lessons: its answers, its thread, and a site to crawl."""
