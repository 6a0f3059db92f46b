"""The steps of a search: range test, trials, finalists, refits."""
