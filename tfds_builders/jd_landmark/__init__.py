"""JD-landmark: 106 landmarks on faces in the wild."""
