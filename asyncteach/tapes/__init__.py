"""What was recorded, and how it comes from what was stamped."""
