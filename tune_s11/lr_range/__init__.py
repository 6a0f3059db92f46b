"""The LR range test: trains short cycles and ramps, and derives bounds and suggestions from them."""
