"""Files of any project: images and text of unknown origin read within bounds, and files written whole.

In: paths or bytes. Out: arrays, text and JSON, or a `UserError` that states what was found and what was expected.
Nothing here depends on faces, JAX or Flax.
"""
