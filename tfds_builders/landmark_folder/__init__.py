"""A folder of one's own pictures and points."""
