"""What only the lessons need: exercises, grading, the slow server, the costs."""
