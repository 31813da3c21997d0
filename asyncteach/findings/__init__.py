"""What a recording says: what was observed, with its numbers, and what may be done about it."""
