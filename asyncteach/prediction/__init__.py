"""What a learner has guessed, whether it came true, in sentences and as outlines."""
