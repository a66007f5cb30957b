"""Speech: any recording -> 16 kHz sound, phones with times, acoustic features."""
