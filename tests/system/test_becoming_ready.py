"""Becoming ready, and failing, without waste (SPEC 2.9)."""
import time

import pytest


def started_in(hp, name):
    began = time.monotonic()
    hp.rpc("service.start", name=name)
    return time.monotonic() - began


@pytest.mark.parametrize("role", ["readiness", "startup"])
@pytest.mark.parametrize("interval", [{}, {"interval_ms": 2000}])
def test_a_probe_sees_what_is_ready_after_300_ms_within_400(hp, role, interval):
    """pg_isready cost a second where postgres was there after a tenth of one."""
    flag = hp.root / "flag"
    hp.define("db", script=f"sleep 0.3; : > {flag}; exec {hp.bin}/pause",
              probes={role: {"exec": f"test -e {flag}", "failure_threshold": 1000, **interval}})
    assert 0.3 <= started_in(hp, "db") < 0.55


def test_a_healthy_edge_on_a_liveness_probe_waits_for_no_interval(hp):
    flag = hp.root / "flag"
    hp.define("db", script=f"sleep 0.3; : > {flag}; exec {hp.bin}/pause",
              probes={"liveness": {"exec": f"test -e {flag}"}})
    hp.define("web", depends_on=[{"service": "db", "condition": "healthy"}])
    assert started_in(hp, "web") < 0.8


def test_after_readiness_a_probe_keeps_to_its_interval(hp):
    asked = hp.root / "asked"
    hp.define("db", probes={"readiness": {"exec": f"echo x >> {asked}; test $(wc -l < {asked}) -ge 4",
                                          "interval_ms": 1000, "failure_threshold": 1000}})
    assert started_in(hp, "db") < 0.5
    time.sleep(0.7)  # nothing is to happen: an interval is not over
    assert asked.read_text().count("x") == 4
