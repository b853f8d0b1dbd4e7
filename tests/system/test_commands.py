"""What is executed: a string by the shell, a list as it is, wherever a command may stand (SPEC 3.1);
and what is said when it can not be (F86)."""
import json

import pytest

from hp import INVALID_PARAMS, wait_until

FORMS = {"list": lambda hp, name: [str(hp.bin / "note"), str(hp.root / name), "it's one word"],
         "string": lambda hp, name: f"'{hp.bin}/note' {hp.root}/{name} \"it's one word\""}


@pytest.fixture
def notes(hp):
    """A program that writes its words into the file that the first one names."""
    program = hp.bin / "note"
    program.write_text('#!/bin/sh\nf=$1; shift\nfor w in "$@"; do echo "$w $MAINPID" >> "$f"; done\n')
    program.chmod(0o755)
    return lambda name: (hp.root / name).read_text().splitlines() if (hp.root / name).exists() else []


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("way", ["toml", "json"])
def test_a_command_is_a_string_or_a_list_everywhere(hp, notes, form, way):
    make = FORMS[form]
    action = {"name": "s", "is_process": True, "exec": [str(hp.bin / "pause")], "stop_exec": make(hp, "stop"),
              "reload": make(hp, "reload"), "stop_timeout_ms": 300,
              "probes": {"startup": {"exec": make(hp, "startup")},
                         "readiness": {"kind": "exec", "target": make(hp, "readiness"), "interval_ms": 60000}}}
    if way == "json":
        hp.rpc("service.define", service={"name": "s", "actions": [action]})
    else:
        probes = action.pop("probes")
        lines = [f"{k} = {json.dumps(v)}" for k, v in action.items()]
        lines += ["[binaries.probes]"] + [
            f"{role} = {{{', '.join(f'{k} = {json.dumps(v)}' for k, v in probe.items())}}}"
            for role, probe in probes.items()]
        hp.register_text("\n".join(["[service]", 'name = "s"', "[[binaries]]", *lines]))
    hp.rpc("service.start", name="s")
    pid = hp.pid("s")
    hp.rpc("service.reload", name="s")
    hp.rpc("service.stop", name="s")
    for name in ["startup", "readiness", "reload", "stop"]:
        assert notes(name) == [f"it's one word {pid}"], name


@pytest.mark.parametrize("key", ["exec", "stop_exec", "reload", "script", "cwd", "user"])
@pytest.mark.parametrize("value", [5, True, 1.5])
def test_a_string_takes_a_string_only(hp, key, value):
    """`exec = 5` and `exec = true` were taken for scripts."""
    action = {"name": "s", key: value}
    error = hp.refusal("service.define", service={"name": "s", "actions": [action]})
    assert error.code == INVALID_PARAMS and f"`{key}` must be a string" in error.data["errors"][0]["message"]
    text = f"[service]\nname = \"s\"\n[[binaries]]\nname = \"s\"\n{key} = {json.dumps(value)}\n"
    error = hp.refusal("service.register", manifest=text, path="s/service.toml")
    assert error.code == INVALID_PARAMS
    first = error.data["errors"][0]
    assert f"`{key}` must be a string" in first["message"] and first["line"] == 5
