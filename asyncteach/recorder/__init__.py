"""Watch asyncio code while it runs: patches of loops, stamps and events."""
