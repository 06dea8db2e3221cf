"""WFLW: 98 landmarks and six attributes on faces in the wild."""
