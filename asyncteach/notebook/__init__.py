"""Notebooks: `%%timeline`, and `asyncio.run` where a loop is running already."""
