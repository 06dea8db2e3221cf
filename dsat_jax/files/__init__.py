"""Files independent of faces: bounded reading of images and text of unknown origin, and atomic writing.

Input: paths or bytes. Output: arrays, text and JSON, or a `UserError` that states what was found and what was expected.
The modules do not import JAX or Flax.
"""
