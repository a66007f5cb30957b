"""Performances that the learned model is taught: speech with exact phones, played with a given expression."""
