"""The command line: all of typer, and every hint on what to type next. The library below knows neither."""
