"""Notebooks: `%%timeline`, and `asyncio.run` where a loop is already running."""
