"""When a revision of a schema runs. By itself, so that whoever asks for a phase does not load what carries it out."""

from enum import StrEnum


class Phase(StrEnum):
    """While gateways of the version before still serve, or when none of them is left."""

    BEFORE = "before"
    AFTER = "after"
