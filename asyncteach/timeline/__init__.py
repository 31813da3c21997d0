"""The parts of timelines: lanes, layout, artists, text."""
