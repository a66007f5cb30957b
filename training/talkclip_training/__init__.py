"""Corpora, training scripts and metrics: what made every committed weight."""
