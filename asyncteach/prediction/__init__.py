"""The user's guesses, compared with what happened, in sentences and as outlines."""
