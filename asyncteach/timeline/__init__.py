"""What timelines are made of: lanes, pixels, artists, words."""
