"""What a simulated gateway says of itself: counted, and an operator's choices kept with their calls."""

from gateway.protocol import observations as seen
from gateway.protocol.observations import Observation
from tests.simulation.chronicle import CALL, Chronicle
from tests.simulation.loop import VirtualLoop

# What happens on every call, and what is told apart from the history.
_OFTEN = seen.Answered | seen.Sent | seen.FrontAsked | seen.InternalFault


class LoopClock:
    """``ports.Clock`` of the history."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def monotonic(self) -> float:
        """Virtual seconds."""
        return self._loop.time()


class Watcher:
    """``ports.Observer`` of one gateway."""

    def __init__(self, chronicle: Chronicle, gateway: str) -> None:
        self._chronicle = chronicle
        self._gateway = gateway

    def observe(self, observation: Observation) -> None:
        """Counts it by its name, and what follows it where that tells more."""
        if isinstance(observation, seen.Swept) and not observation.total:
            return
        chronicle, name = self._chronicle, type(observation).__name__
        chronicle.reached[name] += 1
        match observation:
            case seen.PolicyChoice(choice=choice):
                chronicle.reached[f"{name}: {choice}"] += 1
                self._keep(choice)
            case seen.NotSent(reason=reason) | seen.OutcomeLost(reason=reason):
                chronicle.reached[f"{name}: {reason}"] += 1
            case seen.StoreFault(operation=operation):
                chronicle.reached[f"{name}: {operation}"] += 1
            case seen.RecentDropped(reason=reason):
                chronicle.reached[f"{name}: {reason}"] += 1
            case seen.FrontAsked(result=result):
                chronicle.reached[f"{name}: {result}"] += 1
            case seen.InternalFault(fault=fault):
                chronicle.faults.append(f"{self._gateway}: a fault of its own: {fault!r}")
            case _:
                pass
        if chronicle.telling and not isinstance(observation, _OFTEN):
            chronicle.tell(self._gateway, f"observes {observation}")

    def _keep(self, choice: str) -> None:
        number = CALL.get()
        for call in self._chronicle.calls:
            if call.number == number:
                call.choices.append(choice)
