"""Guesses of the user, compared with what happened: in sentences and as outlines."""
