"""Idempotency Gateway: one key, one upstream call, one answer."""
