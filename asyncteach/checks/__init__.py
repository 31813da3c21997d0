"""How a check finds out if code did what it was to do, and how it says so."""
