"""As whom an action is executed (SPEC 5), read from /proc."""
import pytest

from hp import INVALID_PARAMS


def no_new_privs(pid):
    with open(f"/proc/{pid}/status") as f:
        return next(line.split()[1] for line in f if line.startswith("NoNewPrivs:"))


@pytest.mark.parametrize("wish, seen", [(True, "1"), (False, "0")])
def test_no_new_privs_is_set_exactly_where_it_is_written(hp, wish, seen):
    with open("/proc/self/status") as f:
        if "NoNewPrivs:\t1" in f.read() and not wish:
            pytest.skip("no_new_privs is inherited here")
    hp.define("web", no_new_privs=wish)
    hp.rpc("service.start", name="web")
    assert no_new_privs(hp.pid("web")) == seen


def test_no_new_privs_is_a_truth_value(hp):
    assert hp.refusal("service.define", service={"name": "web", "actions": [
        {"name": "web", "script": "exec sleep 60", "no_new_privs": "yes"}]}).code == INVALID_PARAMS
