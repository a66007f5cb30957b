"""The two training stages of the model, and what they read: spoken lines, conditions, texts."""
