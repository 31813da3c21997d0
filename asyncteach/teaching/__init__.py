"""What a teacher would point at in a recording, found and put into words."""
