"""Ray Tune callbacks: progress, trial files, TensorBoard, hanging workers, failing trials, checkpoints."""
