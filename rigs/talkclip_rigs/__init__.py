"""Faces and rigs: the default head, glTF export, and retargeting of coefficient tracks to any rig (numpy only)."""
