"""Whether what a configuration names can be used, before anything is started: the files for TLS are opened and read.

Knows which part of the start each file belongs to. Refuses to connect anywhere: whether a store or an upstream answers
is found out by a gateway that runs.
"""

from collections.abc import Iterator

from gateway.config.configuration import Configuration
from gateway.config.documents import Place
from gateway.edge.tls import server_context
from gateway.errors import ConfigInvalid
from gateway.proxying.transports import Transports
from gateway.wiring.stores import LocalClock


def unusable(configuration: Configuration) -> Iterator[tuple[Place, str]]:
    """Each file for TLS that is none: where it is named, and what is wrong with it."""
    if configuration.listen_tls is not None:
        try:
            server_context(configuration.listen_tls)
        except ConfigInvalid as fault:
            for complaint in fault.complaints:
                yield ("listen", "tls"), complaint.removeprefix("listen.tls: ")
    hop = Transports(LocalClock())
    for index, route in enumerate(configuration.routes.routes):
        try:
            hop.open(route.target)
        except ConfigInvalid as fault:
            for complaint in fault.complaints:
                yield ("routes", index, "upstream", "tls"), complaint
    if configuration.tokens is not None and (target := configuration.tokens.keys.target) is not None:
        try:
            hop.open(target)
        except ConfigInvalid as fault:
            for complaint in fault.complaints:
                yield ("jwt", "ca"), complaint.removeprefix("upstream.tls: ")


def prove(configuration: Configuration) -> None:
    """``ConfigInvalid`` where a process that serves callers could not begin."""
    complaints = [f"{'.'.join(map(str, place))}: {sentence}" for place, sentence in unusable(configuration)]
    if complaints:
        raise ConfigInvalid(*complaints)
