"""What the costs are made of: child processes that measure, the words and the picture."""
