"""PIRenderer, the paper's neural renderer: a portrait and motion coefficients become a picture.

Written from the published description (Ren et al., "PIRenderer: Controllable Portrait Image Generation via Semantic
Neural Rendering", ICCV 2021) and the shapes of the public weights. Modules bear the names that the public files use,
so that weights load strictly. The weights come from the user, under their own (non-commercial) terms.

Shapes: B pictures, H = W = 256; z (B, 256) describes the wanted motion.
"""
