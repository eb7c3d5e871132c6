"""The small device set of the machine, as pure values.

Each device is an immutable tuple with `read_port` and `write_port`: they
know nothing of processors, memory or platforms. `Devices` is the bus that
holds them and tells each port its device. Where a device asks for service,
its line of the interrupt controller follows by itself.
"""

from app.sim.devices.local_apic import Apic, Message
from app.sim.devices.wiring import (
    PORTS,
    Devices,
    advance,
    build_devices,
    get_next_expiry,
    read_port,
    receive,
    request,
    set_line,
    write_port,
)

__all__ = [
    "PORTS",
    "Apic",
    "Devices",
    "Message",
    "advance",
    "build_devices",
    "get_next_expiry",
    "read_port",
    "receive",
    "request",
    "set_line",
    "write_port",
]
