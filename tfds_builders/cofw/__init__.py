"""COFW: 29 landmarks on occluded faces, and 68 on its test faces."""
