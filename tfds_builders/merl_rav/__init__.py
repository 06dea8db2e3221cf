"""MERL-RAV: 68 landmarks with visibility on the images of AFLW."""
