"""Measurements; timings are never asserted in tests."""
