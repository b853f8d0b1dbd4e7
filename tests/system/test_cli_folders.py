"""A repository is full of other things than manifests (F88, SPEC 3.1 "Folders")."""
import json
import os
import socket
import subprocess

import pytest
from hp import DONE, FAILED, INVALID_PARAMS, NOT_ALLOWED, NOT_FOUND, REFUSED, TIMED_OUT, wait_until

CARGO = '[package]\nname = "shop"\nversion = "0.1.0"\n\n[dependencies]\nserde = "1"\n\n[[bin]]\nname = "shop"\n'
PYPROJECT = '[project]\nname = "shop"\n[build-system]\nrequires = ["setuptools"]\n'


def manifest(name):
    return f'[service]\nname = "{name}"\nexec = ["/usr/bin/sleep", "1000"]\n'


def put(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.fixture
def repository(hp):
    """One of a usual kind, with three services."""
    root = hp.root / "repository"
    put(root / "service.toml", manifest("top"))
    put(root / "plain.toml", manifest("plain"))
    put(root / "crates/deep/down/service.toml", manifest("deep"))
    put(root / "Cargo.toml", CARGO)
    put(root / "pyproject.toml", PYPROJECT)
    put(root / "crates/deep/Cargo.toml", CARGO)
    put(root / "crates/deep/other.toml", "this is = = not looked at")
    put(root / ".git/service.toml", "never looked at [")
    return root


def names(hp):
    return {s["name"] for s in hp.rpc("service.list")["services"]}


def test_F88_the_manifests_of_others_are_named_once_and_left_out(hp, repository):
    done = hp.cli("up", repository)
    assert done.returncode == DONE, done.stderr
    assert names(hp) == {"top", "plain", "deep"} and all(hp.state(n) == "running" for n in names(hp))
    assert done.stderr.count("/Cargo.toml") == 1 and done.stderr.count("pyproject.toml") == 1 and "left out" in done.stderr
    assert "left out" not in hp.cli("-q", "up", repository).stderr
    for verb in "apply", "diff", "check", "register":
        done = hp.cli(verb, repository)
        assert done.returncode == DONE and "Cargo.toml" in done.stderr, (verb, done.stderr)


def test_F88_a_file_that_is_named_must_be_ours(hp, repository):
    for verb in "up", "check", "apply", "register":
        done = hp.cli(verb, repository / "Cargo.toml")
        assert done.returncode == REFUSED and "Cargo.toml" in done.stderr, (verb, done)
    assert not names(hp)


def test_F88_what_is_no_regular_file_is_named_and_hangs_nobody(hp, repository):
    os.mkfifo(repository / "pipe.toml")
    os.mkfifo(repository / "crates/service.toml")
    (repository / "loop.toml").symlink_to("pool.toml")
    (repository / "pool.toml").symlink_to("loop.toml")
    (repository / "null.toml").symlink_to("/dev/null")
    (repository / "round").symlink_to(".")
    with socket.socket(socket.AF_UNIX) as s:
        here = os.getcwd()
        os.chdir(repository)
        s.bind("s.toml")
        os.chdir(here)
    for verb in "up", "check", "diff", "register", "down":
        done = hp.cli(verb, repository, timeout=10)
        assert done.returncode == DONE, (verb, done)
        for name, what in (("pipe.toml", "a FIFO"), ("crates/service.toml", "a FIFO"), ("loop.toml", "a link"), ("null.toml", "a device"),
                           ("s.toml", "a socket")):
            assert f"{name}: {what}" in done.stderr, (verb, done.stderr)
    assert names(hp) == {"top", "plain", "deep"}
    for path in "pipe.toml", "null.toml", "loop.toml":
        done = hp.cli("up", repository / path, timeout=10)
        assert done.returncode == REFUSED and path in done.stderr


def test_F88_what_can_not_be_read_fails_the_call_and_takes_no_service_away(hp, repository):
    assert hp.cli("apply", repository).returncode == DONE
    (repository / "gone.toml").symlink_to("nowhere")
    put(repository / "latin.toml", "").write_bytes(b'[service]\nname = "\xff"\n')
    done = hp.cli("apply", repository)
    assert done.returncode == NOT_FOUND and "gone.toml: No such file" in done.stderr and "latin.toml: it is not UTF-8" in done.stderr
    assert names(hp) == {"top", "plain", "deep"}
    (repository / "gone.toml").unlink()
    put(repository / "latin.toml", "[service\nname = 1")  # ours by its first line, and broken
    assert hp.cli("apply", repository).returncode == DONE  # no table of ours begins there
    put(repository / "latin.toml", "[service]\nname = ")
    done = hp.cli("apply", repository)
    assert done.returncode == REFUSED and "latin.toml:2" in done.stderr


@pytest.mark.skipif(os.geteuid() == 0 and not os.path.exists("/usr/bin/setpriv"), reason="root reads everything")
def test_F88_a_file_without_permission_is_named(hp, repository):
    put(repository / "secret.toml", manifest("secret")).chmod(0)
    hp.root.chmod(0o755)
    user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
    done = subprocess.run([*user, hp.bin / "hero_proc", "check", repository], env=hp.env, capture_output=True, text=True, timeout=20)
    assert done.returncode == NOT_ALLOWED and "secret.toml: Permission denied" in done.stderr, done


def test_a_folder_that_is_linked_is_looked_into_once(hp, repository):
    (repository / "again").symlink_to("crates")
    assert hp.cli("up", repository).returncode == DONE and names(hp) == {"top", "plain", "deep"}


def test_a_manifest_deep_below_that_went_away_takes_its_service_with_it(hp, repository):
    assert hp.cli("apply", repository).returncode == DONE
    (repository / "crates/deep/down/service.toml").unlink()
    assert hp.cli("apply", repository).returncode == DONE
    assert names(hp) == {"top", "plain"}


def test_F88_the_server_reads_folders_by_the_same_rule(hp, repository):
    os.mkfifo(repository / "pipe.toml")
    answer = hp.rpc("config.apply", paths=[str(repository)], start=True)
    assert names(hp) == {"top", "plain", "deep"}
    told = json.dumps(answer["warnings"])
    assert "Cargo.toml" in told and "pipe.toml: a FIFO" in told
    assert hp.refusal("config.apply", paths=[str(repository / "pipe.toml")]).code == INVALID_PARAMS
    assert hp.refusal("config.apply", paths=["relative"]).code == INVALID_PARAMS


def test_F88_an_env_file_that_is_a_FIFO_does_not_stop_the_supervisor(hp):
    os.mkfifo(hp.root / "env")
    hp.define("s", exec=["/usr/bin/sleep", "1000"], env_file=str(hp.root / "env"), retry_policy={"restart": "never"})
    call = hp.later("service.start", name="s")
    assert hp.rpc("system.ping", timeout=3)["pong"]
    call.join(5)
    assert "a FIFO, not a regular file" in str(call.error)


def test_F88_other_files_that_are_read_are_regular_too(hp):
    os.mkfifo(hp.root / "run.json")
    done = hp.cli("run", "submit", "run.json", timeout=10)
    assert done.returncode == REFUSED and "a FIFO" in done.stderr
    put(hp.root / "list.json", "[1]")
    assert "not an object" in hp.cli("run", "submit", "list.json").stderr
    put(hp.root / "bad.json", '{"actions": [\n  }')
    done = hp.cli("run", "submit", "bad.json")
    assert done.returncode == REFUSED and "bad.json:2:" in done.stderr
    assert hp.cli("run", "submit", "nowhere.json").returncode == NOT_FOUND


def test_a_binary_that_does_not_end_or_prints_without_end_is_not_waited_for(hp):
    for name, text, status, said in (("hangs", "sleep 1000 & wait", TIMED_OUT, "within 10 s"), ("floods", "exec yes", FAILED, "more than"),
                                     ("reads", "cat; echo no JSON", FAILED, "no manifest"), ("ends", "exit 3", FAILED, "exit code 3")):
        program = put(hp.root / name, f"#!/bin/sh\n{text}\n")
        program.chmod(0o755)
        done = hp.cli("register", "--from-binary", program, timeout=30)
        assert done.returncode == status and said in done.stderr, (name, done)
    wait_until(lambda: not any("sleep 1000" in c for c in commands(hp)), what="nothing of it is left")


def commands(hp):
    from hp import command_of
    return [command_of(pid) for pid in hp.left()]


def test_a_folder_without_a_manifest_says_where_was_looked(hp):
    (hp.root / "empty").mkdir()
    done = hp.cli("up", hp.root / "empty")
    assert done.returncode == NOT_FOUND and "neither a service.toml below nor a *.toml in" in done.stderr and "/empty" in done.stderr
