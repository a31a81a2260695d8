"""The hop to the upstream, against an upstream that behaves as badly as it is told."""
