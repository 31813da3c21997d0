"""The three states: every picture, table and sentence uses the same words.

Subinterpreters import this: NumPy can't be loaded there.
"""

RUNNING, READY, WAITING = STATES = ("running", "ready", "waiting")
