"""Deferred calls: what may wait, and what makes it wait no longer.

A call of a class that VMI_SetDeferredMode lets wait is put in the queue of
its processor, a fixed buffer, and takes effect when that is flushed, in the
order of the calls. What a call does when its turn has come is a function
under ``@deferrable``. A worked example::

    @deferrable("VMI_SetCR3")
    def apply_cr3(machine: Machine, cpu: CpuId, value: int) -> Machine: ...

    def set_cr3(machine: Machine, cpu: CpuId, value: Eax) -> Machine:
        return defer(machine, cpu, DEFER_CPU, "VMI_SetCR3", (value,))
"""

from collections.abc import Callable
from typing import Final, TypeAlias

from app.sim.machine import CpuId, Deferred, Machine, update

DEFER_MMU: Final = 1
DEFER_CPU: Final = 2
DEFER_DT: Final = 4
ALL_CLASSES: Final = DEFER_MMU | DEFER_CPU | DEFER_DT

Effect: TypeAlias = Callable[..., Machine]

EFFECTS: Final[dict[str, Effect]] = {}
"""What each call does that can be deferred."""


def deferrable(name: str) -> Callable[[Effect], Effect]:
    """Enter what a call does, once its turn has come."""

    def register(function: Effect) -> Effect:
        assert name not in EFFECTS, name  # noqa: S101 - our own mistake
        EFFECTS[name] = function
        return function

    return register


def defer(
    machine: Machine,
    cpu: CpuId,
    queue_class: int,
    name: str,
    arguments: tuple[int, ...],
) -> Machine:
    """Queue a call if its class may wait, else carry it out now.

    A full queue is flushed first: no call can fail for want of room.
    """
    if not is_deferred(machine, cpu, queue_class):
        return EFFECTS[name](machine, cpu, *arguments)
    length = int(machine.board.host.choose("queue_length"))
    if len(machine.vcpus[cpu].queue) >= length:
        machine = flush(machine, cpu)
    waiting = Deferred(queue_class, name, arguments)
    return update(machine, cpu, queue=(*machine.vcpus[cpu].queue, waiting))


def is_deferred(machine: Machine, cpu: CpuId, queue_class: int) -> bool:
    """Whether a call of this class waits if it is made now."""
    if not machine.vcpus[cpu].deferral & queue_class:
        return False
    return machine.board.host.choose("deferral") == "queued"


def flush(machine: Machine, cpu: CpuId, classes: int = ALL_CLASSES) -> Machine:
    """Carry out what waits in the queue of a processor, of some classes."""
    queue = machine.vcpus[cpu].queue
    if not queue:
        return machine
    due = [each for each in queue if each.queue_class & classes]
    rest = tuple(each for each in queue if not each.queue_class & classes)
    machine = update(machine, cpu, queue=rest)
    for each in due:
        machine = EFFECTS[each.name](machine, cpu, *each.arguments)
    return machine
