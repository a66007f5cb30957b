"""Pictures of the default head: frames, video, plots."""
