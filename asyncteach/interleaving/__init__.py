"""What `every_order()` is made of: an event loop that asks who comes next, and a search."""
