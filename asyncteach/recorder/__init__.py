"""How asyncio code is watched while it runs: hooks on loops, stamps, and what else is noted."""
