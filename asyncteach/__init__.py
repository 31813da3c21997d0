"""See why async is faster: asyncio made visible with chores, leisure and timelines."""

__version__ = "0.1.0"
