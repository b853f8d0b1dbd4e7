"""What a job costs does not grow with the number of jobs in its run (F92; issue 10 E25, DESIGN 7 T16).

Counted is the CPU time of the server, which no other process of the machine changes.
"""
import os

import pytest
from hp import RpcError, wait_until

FEW, MANY = 300, 3000
TIMES = 2.2  # a job of many may cost so much more than one of few; a square would be 10


def cpu_s(pid):
    """Of all its threads, in seconds."""
    spent = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/schedstat") as f:
            spent += int(f.read().split()[0])
    return spent / 1e9


TRUE = {"exec": ["/bin/true"], "interpreter": "exec"}


def flat(n):
    return [{"name": f"j{i}", **TRUE} for i in range(n)]


def fan(n):
    """All but ten wait for one of ten."""
    return [{"name": f"j{i}", **TRUE, **({"depends_on": [f"j{i % 10}"]} if i >= 10 else {})} for i in range(n)]


def layers(n):
    """Layers of fifty; each job needs five of the layer before."""
    return [{"name": f"j{i}", **TRUE, "depends_on": [f"j{i // 50 * 50 - 50 + k}" for k in range(5)] if i >= 50 else []}
            for i in range(n)]


def failing(n):
    """The first fails, and one after the other is skipped."""
    return [{"name": f"j{i}", "exec": ["/bin/true" if i else "/bin/false"], "interpreter": "exec",
             "depends_on": [f"j{i - 1}"] if i else []} for i in range(n)]


def submit(hp, actions):
    try:
        return hp.rpc("run.submit", timeout=120, actions=actions)["state"]
    except RpcError as e:
        return e.data["state"]


@pytest.mark.parametrize("shape", [flat, fan, layers, failing], ids=lambda s: s.__name__)
def test_F92_a_job_costs_the_same_in_a_run_of_many(hp, shape):
    pid, cost = hp.info()["pid"], {}
    submit(hp, shape(FEW))  # caches, room
    for n in (FEW, MANY):
        before = cpu_s(pid)
        assert submit(hp, shape(n)) == ("failed" if shape is failing else "succeeded")
        cost[n] = (cpu_s(pid) - before) / n
    assert cost[MANY] < TIMES * cost[FEW], f"{cost[FEW] * 1e3:.3f} ms a job of {FEW}, {cost[MANY] * 1e3:.3f} of {MANY}"


def test_F92_a_run_of_many_is_called_off_at_the_price_of_its_jobs(hp):
    def cancel(n):
        run = hp.rpc("run.submit", timeout=120, wait=False, actions=[
            {"name": f"j{i}", "script": "exec sleep 1000", "depends_on": [f"j{i - 20}"] if i >= 20 else []}
            for i in range(n)])["run"]
        wait_until(lambda: hp.rpc("run.get", run=run)["state"] == "running")
        before = cpu_s(pid)
        hp.rpc("run.cancel", timeout=120, run=run)
        return (cpu_s(pid) - before) / n

    pid = hp.info()["pid"]
    cancel(FEW)
    few, many = cancel(FEW), cancel(MANY)
    assert many < TIMES * few, f"{few * 1e3:.3f} ms a job of {FEW}, {many * 1e3:.3f} of {MANY}"


def test_F92_a_composite_of_many_starts_and_stops_at_the_price_of_its_actions(hp):
    """The same of a service: an action waits for one of the layer before."""
    def service(n):
        hp.rpc("service.set", service={"name": f"many{n}", "actions": [
            {"name": f"a{i}", "is_process": True, "exec": [f"{hp.bin}/pause"], "interpreter": "exec",
             "depends_on": [f"a{i % 10}"] if i >= 10 else []} for i in range(n)]})
        before = cpu_s(pid)
        hp.rpc("service.start", timeout=120, name=f"many{n}")
        hp.rpc("service.stop", timeout=120, name=f"many{n}")
        return (cpu_s(pid) - before) / n

    pid = hp.info()["pid"]
    service(60)
    few, many = service(60), service(600)
    assert many < TIMES * few, f"{few * 1e3:.3f} ms an action of 60, {many * 1e3:.3f} of 600"
