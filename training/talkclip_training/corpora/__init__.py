"""Video corpora that users have (MEAD, HDTF, VoxCeleb2), the prompts made from them (TA-MEAD), and checks of ours."""
