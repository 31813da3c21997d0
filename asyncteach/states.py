"""The three states: every picture, table and sentence uses the same words."""

RUNNING, READY, WAITING = STATES = ("running", "ready", "waiting")
