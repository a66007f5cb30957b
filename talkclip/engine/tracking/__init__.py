"""Faces in pictures and videos: where they are, 468 points on them, and the coefficients that explain the points."""
