"""What the costs are made of: children that measure, bounds, the words and the picture."""
