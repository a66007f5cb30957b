"""Portraits of nobody, for tests and documentation, and the figures of merit of portraits that speak."""
