"""Everything that computes: speech, text, motion, rendering. Needs the extra `[lite]`."""
