"""Race of this search against what its users would run instead, on recorded pools and with real training."""
