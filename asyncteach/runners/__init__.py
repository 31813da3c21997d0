"""The ways to do activities: each gives a diary of every activity."""
