"""The ZeroMQ server around the engine."""
