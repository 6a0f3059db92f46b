"""What does pruning save, and what does it lose? Replays and simulations on recorded learning curves."""
