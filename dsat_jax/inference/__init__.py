"""Inference: landmarks of the faces in images and videos.

In: an image or a video, face boxes or a detector, and a trained network or an export. Out: landmarks in pixels of the
image, and files of them. Imports neither `training` nor `evaluation` nor `data`.
"""
