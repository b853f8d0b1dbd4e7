"""Secrets: sealed on the disk, in the environment of whom they are for, and nowhere else."""
import json
import os
import subprocess

from hp import E_NOT_FOUND, NOT_FOUND, wait_until

VALUE = "correct-horse-battery-staple"


def reader(hp, name="s", **keys):
    hp.rpc("service.set", service={"name": name, "actions": [{
        "name": name, "is_process": True, "env": [{"name": "TOKEN", "secret": True, **keys}],
        "script": f"printf %s \"$TOKEN\" > {hp.root}/{name}.got; exec {hp.bin}/pause"}]})


def got(hp, name="s"):
    path = hp.root / f"{name}.got"
    return path.read_text() if path.exists() else None


def test_F61_a_secret_reaches_the_child_and_nothing_else(hp):
    assert hp.rpc("secret.set", name="TOKEN", value=VALUE)["version"] == 1
    reader(hp, required=True)
    hp.rpc("service.start", name="s")
    wait_until(lambda: got(hp) == VALUE, what="the child has it")
    shown = [hp.rpc("secret.list"), hp.rpc("service.get", name="s"), hp.rpc("action.get", name="s"),
             hp.rpc("service.status", name="s"), hp.rpc("events.query", limit=1000), hp.rpc("op.list")]
    assert VALUE not in json.dumps(shown)
    for path in hp.state_dir.rglob("*"):
        if path.is_file():
            assert VALUE.encode() not in path.read_bytes(), path
    assert VALUE not in hp.log_text()
    assert oct((hp.state_dir / "secrets").stat().st_mode & 0o777) == "0o600"
    assert oct((hp.state_dir / "secrets.key").stat().st_mode & 0o777) == "0o600"
    pids = [hp.keeper_pid(), hp.info()["pid"]]
    for pid in pids:
        for name in ("environ", "cmdline"):
            with open(f"/proc/{pid}/{name}", "rb") as f:
                assert VALUE.encode() not in f.read()


def test_a_secret_survives_a_kill_and_a_change_shows_who_holds_the_old_one(hp):
    hp.rpc("secret.set", name="TOKEN", value="one")
    reader(hp)
    hp.rpc("service.start", name="s")
    wait_until(lambda: got(hp) == "one")
    hp.kill_server()
    assert hp.rpc("secret.get", name="TOKEN")["value"] == "one"
    assert hp.rpc("secret.list")["secrets"][0]["old_holders"] == []
    assert hp.rpc("secret.set", name="TOKEN", value="two")["version"] == 2
    assert hp.rpc("secret.list")["secrets"][0]["old_holders"] == [{"service": "s", "action": "s"}]
    hp.rpc("service.restart", name="s")
    wait_until(lambda: got(hp) == "two")
    assert hp.rpc("secret.list")["secrets"][0]["old_holders"] == []


def test_a_required_secret_that_is_not_there_is_named(hp):
    reader(hp, required=True)
    e = hp.refusal("service.start", name="s")
    assert "TOKEN" in str(e) and "hero_proc secret set TOKEN" in json.dumps(hp.rpc("service.why", name="s"))
    reader(hp, name="t", default="fallback")
    hp.rpc("service.start", name="t")
    wait_until(lambda: got(hp, "t") == "fallback")


def test_contexts_are_apart(hp):
    hp.rpc("secret.set", name="TOKEN", value="of default")
    hp.rpc("secret.set", name="TOKEN", value="of prod", context="prod")
    assert hp.rpc("secret.get", name="TOKEN", context="prod")["value"] == "of prod"
    assert hp.refusal("secret.get", name="TOKEN", context="test").code == E_NOT_FOUND
    hp.rpc("secret.delete", name="TOKEN", context="prod")
    assert [s["context"] for s in hp.rpc("secret.list")["secrets"]] == ["default"]
    assert hp.refusal("secret.delete", name="TOKEN", context="prod").code == E_NOT_FOUND


def test_reading_one_is_an_event_with_who_it_was(hp):
    hp.rpc("secret.set", name="TOKEN", value="x")
    hp.rpc("secret.get", name="TOKEN")
    seen = [(e["to"], e["secret"]) for e in hp.rpc("events.query", kind="secret", limit=10)["events"]]
    assert seen == [("set", "TOKEN"), ("read", "TOKEN")]
    assert all(f"uid {os.getuid()}" in e["who"] for e in hp.rpc("events.query", kind="secret", limit=10)["events"])


def test_another_key_keeps_the_values(hp):
    hp.rpc("secret.set", name="TOKEN", value="x")
    before = (hp.state_dir / "secrets.key").read_bytes()
    hp.rpc("secret.rekey")
    assert (hp.state_dir / "secrets.key").read_bytes() != before
    hp.kill_server()
    assert hp.rpc("secret.get", name="TOKEN")["value"] == "x"


def test_secrets_of_another_key_are_said_to_be_unreadable_and_stop_nothing_else(hp):
    hp.rpc("secret.set", name="TOKEN", value="x")
    hp.define("other")
    (hp.state_dir / "secrets.key").write_bytes(os.urandom(32))
    hp.kill_server()
    assert "another key" in hp.rpc("secret.list")["trouble"]
    assert "another key" in str(hp.refusal("secret.set", name="NEW", value="y"))
    assert hp.rpc("service.start", name="other")["state"] == "running"


def test_the_command_line_takes_values_from_standard_input(hp):
    done = subprocess.run([hp.bin / "hero_proc", "secret", "set", "prod:TOKEN"], env=hp.env, cwd=hp.root,
                          input="from a pipe\n", capture_output=True, text=True, timeout=20)
    assert done.returncode == 0 and "version 1" in done.stdout, done.stderr
    assert hp.cli("secret", "get", "prod:TOKEN").stdout == "from a pipe\n"
    listed = hp.cli("secret", "list").stdout
    assert "TOKEN" in listed and "prod" in listed and "weak" in listed and "pipe" not in listed
    assert hp.cli("secret", "delete", "prod:TOKEN").returncode == 0
    assert hp.cli("secret", "get", "prod:TOKEN").returncode == NOT_FOUND
    assert hp.cli("secret", "set", "X").returncode == 2
