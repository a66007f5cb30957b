"""Makes the tracker's data: the identity basis and the places of the 468 landmarks on the default head."""
