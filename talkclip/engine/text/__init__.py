"""From a free prompt to a sustained expression: text encoder, clause parser, emotion model, pose."""
