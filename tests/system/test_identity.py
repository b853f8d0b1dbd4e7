"""As whom an action is executed (SPEC 5), read from /proc."""
import grp
import os
from pathlib import Path

import pytest

from hp import INVALID_PARAMS, wait_until


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


def status_of(pid):
    return dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line)


def started(hp, **keys):
    hp.define("web", **keys)
    hp.rpc("service.start", name="web")
    return status_of(hp.pid("web"))


NOBODY, NET_BIND, CHOWN = 65534, 10, 0
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may be another")


@as_root
def test_a_process_is_the_user_and_the_groups_that_are_written(hp):
    s = started(hp, script="exec sleep 1000", user="nobody", group="daemon", groups=["audio", "7"], umask="027", nice=5, oom_score_adj=100,
                limits={"nofile": "123:456"}, cwd="/usr")
    pid = hp.pid("web")
    assert s["Uid"].split() == [str(NOBODY)] * 4 and s["Gid"].split() == [str(grp.getgrnam("daemon").gr_gid)] * 4
    assert set(s["Groups"].split()) == {str(grp.getgrnam("audio").gr_gid), "7", str(grp.getgrnam("daemon").gr_gid)}
    assert s["Umask"].strip() == "0027" and os.readlink(f"/proc/{pid}/cwd") == "/usr"
    assert Path(f"/proc/{pid}/oom_score_adj").read_text().strip() == "100"
    assert Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[16] == "5"
    assert "123                  456" in Path(f"/proc/{pid}/limits").read_text()


@as_root
def test_groups_without_a_user_are_added_to_our_own(hp):
    own = set(map(str, os.getgroups()))
    assert set(started(hp, groups=["audio"])["Groups"].split()) == own | {str(grp.getgrnam("audio").gr_gid)}


@as_root
def test_no_capability_outside_of_the_bounding_set_can_be_had(hp):
    s = started(hp, capability_bounding_set=["CAP_NET_BIND_SERVICE", "chown"])
    assert int(s["CapBnd"], 16) == 1 << NET_BIND | 1 << CHOWN
    assert int(s["CapEff"], 16) == int(s["CapPrm"], 16) == 1 << NET_BIND | 1 << CHOWN


@as_root
def test_an_empty_bounding_set_leaves_none_and_none_written_leaves_all(hp):
    own = status_of(os.getpid())["CapBnd"]
    assert started(hp)["CapBnd"] == own
    hp.define("bare", capability_bounding_set=[])
    hp.rpc("service.start", name="bare")
    assert int(status_of(hp.pid("bare"))["CapBnd"], 16) == 0


@as_root
def test_an_ambient_capability_is_kept_by_a_user_that_is_not_root(hp):
    s = started(hp, script="exec sleep 1000", user="nobody", ambient_capabilities=["CAP_NET_BIND_SERVICE"], no_new_privs=True)
    assert s["Uid"].split()[0] == str(NOBODY) and s["NoNewPrivs"] == "1"
    assert int(s["CapEff"], 16) == int(s["CapAmb"], 16) == 1 << NET_BIND


@pytest.mark.parametrize("keys, text", [
    ({"capability_bounding_set": ["CAP_NET_BIND_SERVIC"]}, "did you mean CAP_NET_BIND_SERVICE?"),
    ({"capability_bounding_set": "CAP_CHOWN"}, "must be a list"),
    ({"capability_bounding_set": [], "ambient_capabilities": ["CAP_CHOWN"]}, "are not in `capability_bounding_set`")])
def test_what_is_no_set_of_capabilities_is_refused_when_it_is_registered(hp, keys, text):
    e = hp.refusal("service.define", service={"name": "web", "actions": [{"name": "web", "script": "sleep 9", **keys}]})
    assert text in str(e)


@pytest.mark.parametrize("keys, text", [({"groups": ["no_such_group"]}, "group `no_such_group` is not known"),
                                        ({"user": "no_such_user"}, "user `no_such_user` is not known"),
                                        ({"group": "no_such_group"}, "group `no_such_group` is not known"),
                                        ({"cwd": "/no/such/folder"}, "chdir `/no/such/folder`: No such file or directory")])
def test_an_identity_that_is_not_there_fails_at_once_and_says_which(hp, keys, text):
    hp.define("web", **keys)
    assert text in str(hp.refusal("service.start", name="web"))


def test_the_definition_gives_back_what_was_written(hp):
    hp.define("web", groups=["audio"], capability_bounding_set=["chown", "CAP_KILL"], ambient_capabilities=["CAP_KILL"])
    action = hp.rpc("service.get", name="web")["actions"][0]
    assert action["capability_bounding_set"] == ["CAP_CHOWN", "CAP_KILL"]
    assert action["ambient_capabilities"] == ["CAP_KILL"] and action["groups"] == ["audio"]
    hp.kill_server()
    assert hp.rpc("service.get", name="web")["actions"][0]["capability_bounding_set"] == ["CAP_CHOWN", "CAP_KILL"]


def test_f49_the_environment_of_a_restart_is_that_of_definition_and_files_whoever_asks(hp):
    said, file = hp.root / "said", hp.root / "env"
    file.write_text("FROM_FILE=one\n")
    hp.define("web", script=f"env > {said}.new; mv {said}.new {said}; exec sleep 1000", env={"OWN": "1"}, env_file=str(file))
    def environment(*start):
        said.unlink(missing_ok=True)
        assert hp.cli("service", *start, "web", env={"OF_THE_CLIENT": "x", "OWN": "y"}).returncode == 0
        wait_until(said.exists)
        return dict(line.split("=", 1) for line in said.read_text().splitlines() if "=" in line)

    first = environment("start")
    assert first["OWN"] == "1" and first["FROM_FILE"] == "one" and "OF_THE_CLIENT" not in first
    again = environment("restart")
    own = {"HERO_PROC_TOKEN", "_"}
    assert {k: v for k, v in again.items() if k not in own} == {k: v for k, v in first.items() if k not in own}
    file.write_text("FROM_FILE=two\n")
    assert environment("restart")["FROM_FILE"] == "two"
