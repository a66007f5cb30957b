"""Networks that turn speech and style into expression coefficients."""
