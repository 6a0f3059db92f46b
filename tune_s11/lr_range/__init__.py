"""The LR range test: measured by training, its bounds and suggestions read off the curve."""
