"""A portrait that speaks: the default head is fitted to a picture, moves, and takes the picture's pixels along."""
