"""300W: 68 landmarks on faces in the wild."""
