"""Runs a search: ``python run_search.py --space quick``. This is the same program as ``tune-s11 search``."""

from tune_s11.cli.main import run_search

if __name__ == "__main__":
    run_search()
