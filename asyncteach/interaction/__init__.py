"""What can be moved and clicked in a notebook, and what it looks like where nothing runs."""
