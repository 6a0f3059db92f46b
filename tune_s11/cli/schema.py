"""Prints the JSON schema of space files: ``tune-s11 schema > schema.json``."""

import json

from tune_s11.space_schema import space_schema


def schema() -> None:
    """Prints the JSON schema of space files, with which editors check and complete them."""
    print(json.dumps(space_schema(), indent=1))
