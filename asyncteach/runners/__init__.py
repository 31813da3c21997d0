"""The runners: each does activities in its own way and returns a Recording."""
