"""Small: what a thousand idle services cost in keeper and server (figure T9 of the design)."""
import time

import pytest
from hp import pss_kib, wait_until

SERVICES, FURTHER = 1000, 500
REST = 3.0  # seconds without a change: longer than the pauses after which caches are given back
# The figures to reach, and what must not be exceeded on the way there: a ratchet that is
# only ever turned down.  README, "What is not there yet", says how far it is.
TARGET_KIB, TARGET_FURTHER_KIB = 4.3 * 1024, 1.0
BOUND_KIB = 8 * 1024  # keeper + server, PSS, with SERVICES idle services
BOUND_FURTHER_KIB = 4.5  # and for each further one


def add_idle(hp, first, count):
    text = "".join(f'[[binaries]]\nname = "idle{n:05d}"\nkind = "server"\nexec = ["{hp.bin}/pause"]\n'
                   for n in range(first, first + count))
    hp.register_text(text, f"idle{first}/service.toml", shape="per_binary")
    hp.rpc("service.start", name=[f"idle{n:05d}" for n in range(first, first + count)], timeout=120)


def settled_pss(hp):
    """What is left at rest: the writer of the store has closed its connection, the heap is trimmed."""
    info, seen = hp.info(), [(0, 0)]
    pids = info["pid"], hp.keeper_pid()
    since = time.monotonic()

    def at_rest():
        nonlocal since
        now = tuple(pss_kib(p) for p in pids)
        if sum(now) != sum(seen[-1]):
            since = time.monotonic()
        seen.append(now)
        return time.monotonic() - since > REST
    wait_until(at_rest, 30, "memory is at rest")
    return seen[-1]


@pytest.mark.slow
def test_t9_memory_of_keeper_and_server_with_1000_idle_services(hp, capsys):
    add_idle(hp, 0, SERVICES)
    server, keeper = settled_pss(hp)
    add_idle(hp, SERVICES, FURTHER)
    more = sum(settled_pss(hp))
    each = (more - server - keeper) / FURTHER
    with capsys.disabled():
        print(f"\nT9: {SERVICES} idle services: server {server} KiB + keeper {keeper} KiB = {server + keeper} KiB "
              f"(bound {BOUND_KIB}, target {TARGET_KIB:.0f}); each further one {each:.2f} KiB "
              f"(bound {BOUND_FURTHER_KIB}, target {TARGET_FURTHER_KIB})")
    assert server + keeper <= BOUND_KIB
    assert each <= BOUND_FURTHER_KIB
