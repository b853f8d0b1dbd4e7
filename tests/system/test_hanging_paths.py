"""A folder or program on a file system that does not answer holds up who needs it, and nobody else."""
import os
import signal
import time

import pytest
from dead_mount import DeadMount
from hp import is_alive, wait_until

pytestmark = pytest.mark.skipif(os.geteuid() != 0 or not os.path.exists("/dev/fuse"),
                                reason="a mount of one's own needs root and /dev/fuse")
SETS = [pytest.param({}, id="cgroups"), pytest.param({"HERO_PROC_NO_CGROUP": "1"}, id="no cgroups")]
everywhere = pytest.mark.parametrize("env", SETS)
BY_CHDIR, BY_EXEC = "chdir", "exec"
either = pytest.mark.parametrize("how", [BY_CHDIR, BY_EXEC])


@pytest.fixture
def dead(fresh, request):
    params = request.node.callspec.params if hasattr(request.node, "callspec") else {}
    hp = fresh(**params.get("env", {}))
    mount = DeadMount(hp.root / "dead")
    hp.start()
    yield hp, mount
    try:
        hp.shutdown()
    finally:
        mount.close()


def define_hanging(hp, mount, how, name="h", **keys):
    keys = {"stop_timeout_ms": 300, **keys}
    if how == BY_CHDIR:
        hp.define(name, script=f"echo ran >> {hp.root}/executed.{name}; exec {hp.bin}/pause", cwd=str(mount.path), **keys)
    else:
        hp.define(name, exec=[f"{mount.path}/program"], **keys)


def begin_hanging(hp, mount, how, name="h", **keys):
    define_hanging(hp, mount, how, name, **keys)
    hp.rpc("service.start", name=name, wait=False)
    return wait_until(lambda: hp.action(name).get("why"), what="it is told that it hangs")


def children_of(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as f:
        return [int(p) for p in f.read().split()]


@either
def test_a_service_whose_path_hangs_is_starting_and_why_says_so_and_all_others_start_and_stop(dead, how):
    hp, mount = dead
    said = begin_hanging(hp, mount, how)
    assert hp.action("h")["state"] == "starting"
    assert said.startswith(f"{how} `{mount.path}") and "hangs" in said
    assert said in hp.cli("why", "h").stdout
    for i in range(10):
        hp.define(f"s{i}")
    before = time.monotonic()
    hp.rpc("service.start", name=[f"s{i}" for i in range(10)])
    hp.rpc("service.stop", name=[f"s{i}" for i in range(10)])
    assert time.monotonic() - before < 1
    assert hp.action("h")["state"] == "starting"
    hp.rpc("service.stop", name="h")
    hp.wait_state("h", "inactive")


@everywhere
@either
def test_a_start_that_hangs_can_be_stopped_and_nothing_is_left(dead, env, how):
    hp, mount = dead
    children = set(children_of(hp.keeper_pid()))
    begin_hanging(hp, mount, how)
    child, = set(children_of(hp.keeper_pid())) - children
    hp.rpc("service.stop", name="h")
    hp.wait_state("h", "inactive")
    assert not is_alive(child)
    mount.answer()
    assert not (hp.root / "executed.h").exists()


def test_a_stop_before_it_is_known_that_it_hangs_ends_too(dead):
    hp, mount = dead
    define_hanging(hp, mount, BY_CHDIR)
    hp.rpc("service.start", name="h", wait=False)
    hp.rpc("service.stop", name="h")
    hp.wait_state("h", "inactive")


@pytest.mark.parametrize("keys", [{}, {"oom_score_adj": 500}], ids=["plain", "oom_score_adj"])
def test_it_executes_once_when_the_file_system_answers_again(dead, keys):
    hp, mount = dead
    begin_hanging(hp, mount, BY_CHDIR, **keys)
    mount.answer()
    hp.wait_state("h", "running")
    assert "why" not in hp.action("h")
    wait_until((hp.root / "executed.h").exists, what="it ran")
    if keys:
        assert open(f"/proc/{hp.pid('h')}/oom_score_adj").read() == "500\n"
        assert open(f"/proc/{hp.keeper_pid()}/oom_score_adj").read() == "0\n"
    hp.rpc("service.stop", name="h")
    assert (hp.root / "executed.h").read_text() == "ran\n"


@everywhere
@pytest.mark.parametrize("victim", ["server", "keeper"])
def test_it_executes_once_though_the_supervisor_is_killed_meanwhile(dead, env, victim):
    hp, mount = dead
    begin_hanging(hp, mount, BY_CHDIR)
    hp.define("s")
    hp.rpc("service.start", name="s")
    pid = hp.pid("s")
    hp.kill_server() if victim == "server" else hp.kill_keeper()
    assert hp.pid("s") == pid
    wait_until(lambda: hp.action("h").get("why"), what="it hangs for the next one too")
    mount.answer()
    hp.wait_state("h", "running")
    hp.define("t")
    hp.rpc("service.start", name="t")
    assert (hp.root / "executed.h").read_text() == "ran\n"


def test_a_start_that_hangs_and_is_killed_from_outside_is_tried_again(dead):
    hp, mount = dead
    children = set(children_of(hp.keeper_pid()))
    begin_hanging(hp, mount, BY_CHDIR)
    child, = set(children_of(hp.keeper_pid())) - children
    os.kill(child, signal.SIGKILL)
    mount.answer()
    hp.wait_state("h", "running")
    wait_until((hp.root / "executed.h").exists, what="it ran")
    assert (hp.root / "executed.h").read_text() == "ran\n"


def test_fifty_starts_that_hang_hold_up_nobody(dead):
    hp, mount = dead
    names = [f"h{i}" for i in range(50)]
    for n in names:
        define_hanging(hp, mount, BY_CHDIR, n)
    hp.define("s")
    before = time.monotonic()
    for n in names:
        hp.rpc("service.start", name=n, wait=False)
    hp.rpc("service.start", name="s")
    assert time.monotonic() - before < 3
    wait_until(lambda: all(hp.action(n).get("why") for n in names), what="all hang")
    hp.rpc("service.stop", name="s")
    mount.answer()
    for n in names:
        hp.wait_state(n, "running")


def test_what_comes_to_an_end_while_a_new_server_reads_the_list_executes_once(fresh):
    hp = fresh().start()
    mounts = [DeadMount(hp.root / f"dead{i}") for i in range(8)]
    try:
        others = [f"s{i}" for i in range(70)]  # the list takes more than a batch
        for name in others:
            hp.define(name)
        hp.rpc("service.start", name=others)
        for i, mount in enumerate(mounts):
            define_hanging(hp, mount, BY_CHDIR, f"h{i}")
            hp.rpc("service.start", name=f"h{i}", wait=False)
        for i in range(8):
            wait_until(lambda: hp.action(f"h{i}").get("why"), what="it hangs")
        os.kill(hp.info()["pid"], signal.SIGKILL)
        for mount in mounts:
            mount.answer()
            time.sleep(.005)  # at another moment of the recovery each
        for i in range(8):
            hp.wait_state(f"h{i}", "running")
            wait_until((hp.root / f"executed.h{i}").exists, what="it ran")
        assert [(hp.root / f"executed.h{i}").read_text() for i in range(8)] == ["ran\n"] * 8
        hp.shutdown()
    finally:
        for mount in mounts:
            mount.close()
