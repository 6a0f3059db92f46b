"""The race: this search beside what its users would run instead, on recorded pools and for real."""
