"""Entry point of ``python -m tune_s11.train``."""

from tune_s11.cli.train import main

if __name__ == "__main__":
    main()
