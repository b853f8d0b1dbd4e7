"""The server as a user without rights below a keeper that is root: --user (SPEC 5)."""
import os
import pwd
import subprocess
from pathlib import Path

import pytest

from hp import is_alive, wait_until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may start it as another user")
NOBODY, DAEMON = (pwd.getpwnam(n).pw_uid for n in ("nobody", "daemon"))
SLEEP = "exec sleep 1000"


def uids(pid):
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {int(n) for line in lines if line.startswith("Uid:") for n in line.split()[1:]}


@pytest.fixture
def split(fresh):
    hp = fresh()
    hp.root.chmod(0o755)
    with open(hp.log, "ab") as log:
        hp.process = subprocess.Popen([hp.bin / "hero_proc_server", "--socket", hp.socket, "--user", "nobody"],
                                      env=hp.env, cwd=hp.root, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    wait_until(hp.answers)
    return hp


def test_the_server_has_no_rights_and_its_keeper_has(split):
    assert uids(split.info()["pid"]) == {NOBODY} and uids(split.keeper_pid()) == {0}
    assert split.state_dir.stat().st_uid == NOBODY


def test_a_service_is_the_servers_user_or_another_but_never_root(split):
    split.define("own", script=SLEEP)
    split.define("other", script=SLEEP, user="daemon")
    split.rpc("service.start", name=["own", "other"])
    assert uids(split.pid("own")) == {NOBODY} and uids(split.pid("other")) == {DAEMON}
    groups = Path(f"/proc/{split.pid('own')}/status").read_text().partition("Groups:")[2].splitlines()[0].split()
    assert "0" not in groups
    for keys in {"user": "root"}, {"user": "daemon", "group": "root"}, {"ambient_capabilities": ["CAP_SYS_ADMIN"]}, {"groups": ["root"]}:
        split.rpc("service.set", service={"name": "bad", "actions": [
            {"name": "bad", "script": SLEEP, "retry_policy": {"restart": "never"}, **keys}]})
        assert "Operation not permitted" in str(split.refusal("service.start", name="bad")), keys


def test_services_of_other_users_are_stopped_and_survive_a_killed_server(split):
    split.define("other", script=SLEEP, user="daemon")
    split.rpc("service.start", name="other")
    pid = split.pid("other")
    split.kill_server()
    assert split.pid("other") == pid and uids(split.info()["pid"]) == {NOBODY}
    split.rpc("service.stop", name="other")
    assert not is_alive(pid)


def test_a_killed_keeper_is_succeeded_by_one_without_rights(split):
    split.define("own", script=SLEEP)
    split.rpc("service.start", name="own")
    pid = split.pid("own")
    split.kill_keeper()
    assert split.pid("own") == pid and uids(split.keeper_pid()) == {NOBODY}
    split.rpc("service.stop", name="own")
    assert not is_alive(pid)


def test_a_user_that_is_not_there_or_is_root_is_refused(fresh):
    hp = fresh()
    for user, text in ("no_such_user", "there is no user"), ("root", "is root"):
        done = subprocess.run([hp.bin / "hero_proc_server", "--socket", hp.socket, "--user", user], env=hp.env,
                              capture_output=True, text=True, timeout=10)
        assert done.returncode != 0 and text in done.stderr
