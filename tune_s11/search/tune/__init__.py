"""What Ray Tune is given: a trial, Optuna as its searcher, and a pruning policy as its scheduler."""
