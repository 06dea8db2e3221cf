"""Inference: faces of photographs and videos to landmarks.

In: an image or a video, with face boxes or a detector, and a trained network or an export. Out: landmarks in pixels of
the image, and files of them. Needs neither the training nor the evaluation nor the data room.
"""
