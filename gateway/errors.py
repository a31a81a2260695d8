"""Faults only: things that stop a call or a start. Expected outcomes are values, never exceptions.

::

    GatewayError
    ├── ConfigInvalid        mend the configuration, then start again            (exit 2)
    ├── StoreUnfit           this store cannot keep the promise as it is set up  (exit 2)
    ├── StoreUnavailable     the authority did not answer, or cannot say: nothing may be sent
    ├── RecordUnreadable     a record is there and does not open: never "absent", never sent
    ├── NotDone              a gateway was asked by its operator, and did not do it   (exit 1)
    └── UpstreamFault
        ├── NotSent          not one byte left for the upstream: the key may be released
        │   └── NotProcessed     the upstream guarantees that it took up none of what left: likewise
        └── OutcomeUnknown   bytes may have reached the upstream: nobody knows whether it acted

Each message is one sentence for the person who must act on it, without secrets, bodies or queries.
"""


class GatewayError(Exception):
    """Root of every fault that the gateway raises on purpose."""


class ConfigInvalid(GatewayError):
    """The configuration cannot be used; ``complaints`` holds one sentence each."""

    def __init__(self, *complaints: str) -> None:
        super().__init__("\n".join(complaints))
        self.complaints = complaints


class StoreUnfit(GatewayError):
    """The store answers, but cannot keep the promise: wrong schema, unsafe settings, another identity."""


class StoreUnavailable(GatewayError):
    """The store gave no answer that can be relied on; whoever asked must send nothing. ``unsure``: what was asked may
    have been done all the same, or may be done yet."""

    def __init__(self, message: str, *, unsure: bool = False) -> None:
        super().__init__(message)
        self.unsure = unsure


class RecordUnreadable(GatewayError):
    """A record exists but does not open: damaged, moved, or written by a newer version."""


class NotDone(GatewayError):
    """What an operator asked of a running gateway was not done, or it is not known whether it was."""


class UpstreamFault(GatewayError):
    """The upstream gave no complete answer; ``reason`` is a short token for logs and metrics."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class NotSent(UpstreamFault):
    """Raised only while not one byte of the request has been handed to the socket."""


class NotProcessed(NotSent):
    """Bytes left, and the upstream has guaranteed that it took up none of them, which proves as much (RFC 9113, section
    8.7). Never for what could mean something else as well."""


class OutcomeUnknown(UpstreamFault):
    """Raised from the first byte on; ``timed_out`` tells a silent upstream from a broken connection."""

    def __init__(self, reason: str, message: str, *, timed_out: bool = False) -> None:
        super().__init__(reason, message)
        self.timed_out = timed_out
