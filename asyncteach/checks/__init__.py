"""Checks: whether code did what it should, and a sentence about what was observed."""
