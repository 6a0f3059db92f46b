"""The command line. Only this package uses typer, and only it suggests what to type next."""
