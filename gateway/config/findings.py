"""What a rule about settings says: a sentence, and the settings that it is about.

Knows whether a setting was written down. Refuses to know where; that is for ``validate`` to find out.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from gateway.config.shapes import Shape
from gateway.protocol.headers import HOP_BY_HOP

Path = tuple[str | int, ...]

# What the hop writes itself, or what ends at it: no such field carries anything of the caller's.
NOT_TO_BE_SET = HOP_BY_HOP | {b"host", b"content-length", b"via", b"traceparent", b"expect", b"accept-encoding"}


@dataclass(frozen=True, slots=True)
class Finding:
    """A sentence about one of ``settings``, the likeliest to be mended first.

    ``harmful``: wrong wherever it holds. Otherwise the setting is idle here, and a default for all routes may well be
    idle on some.
    """

    sentence: str
    settings: tuple[Path, ...]
    harmful: bool = False


Findings = Iterator[Finding]


def written(shape: Shape, path: Path) -> bool:
    """Whether a setting was written down, whatever its value; a number is a place in a list."""
    part: object = shape
    for name in path:
        if isinstance(name, int):
            if not isinstance(part, list) or name >= len(part):
                return False
            part = part[name]
            continue
        if not isinstance(part, Shape) or name not in part.model_fields_set:
            return False
        part = getattr(part, name)
    return True


def idle(shape: Shape, path: Path, why: str) -> Findings:
    """A setting that does nothing, where it was written."""
    if written(shape, path):
        yield Finding(f"has no effect: {why}", (path,))


def clash(sentence: str, *paths: Path) -> Findings:
    """Settings that contradict each other, or are wrong wherever they hold."""
    yield Finding(sentence, paths, harmful=True)
