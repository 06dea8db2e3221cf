"""MERL-RAV: 68 landmarks with visibility on the pictures of AFLW."""
