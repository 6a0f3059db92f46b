"""Prints the JSON schema of space files: ``tune-s11 schema > schema.json``."""

import json

from tune_s11.space_schema import space_schema


def schema() -> None:
    """Prints the JSON schema of space files. Editors check and complete space files with it."""
    print(json.dumps(space_schema(), indent=1))
