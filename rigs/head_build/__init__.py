"""The steps of `rigs/build_default_head.py`: from the CC0 source meshes to the packaged default head."""
