"""AFLW-19: 19 landmarks on faces in all poses."""
