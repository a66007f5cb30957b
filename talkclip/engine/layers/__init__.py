"""Layers that play over the learned face: lip constraint, blinks, head motion."""
