"""The networks in torch. Training and the server's torch parts import this package, the lite path never does."""
