"""Entry point of ``python -m tune_s11.report``."""

from tune_s11.cli.report import main

if __name__ == "__main__":
    main()
