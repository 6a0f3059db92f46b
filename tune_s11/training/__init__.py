"""Trains one recipe from one seed, independently of any search."""
