"""Face detectors: functions from an image to face boxes around the expected landmarks.

In: uint8 [height, width, 3] RGB. Out: float64 [faces, 4], pixels of the image, left to right.
"""
