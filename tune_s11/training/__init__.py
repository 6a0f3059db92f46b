"""Training one recipe from one seed. It knows nothing of any search."""
