"""The paper's renderer: making its weights usable."""
