"""What nobody could act on is refused when it is registered, through every way in (SPEC 2.4, 4)."""
import json

import pytest

from hp import INVALID_PARAMS, REFUSED

# key of the action, as JSON; as TOML; the key, message and hint of the error
MISTAKES = [
    ({"stop_signal": "SIGTREM"}, 'stop_signal = "SIGTREM"', "stop_signal", "SIGTREM", "SIGTERM"),
    ({"success_exit_codes": [0, "SIGFOO"]}, 'success_exit_codes = [0, "SIGFOO"]', "success_exit_codes", "SIGFOO",
     "signal"),
    ({"limits": {"nofiles": 3}}, 'limits = {nofiles = 3}', "nofiles", "nofiles", "nofile"),
    ({"limits": {"nofile": "9:3"}}, 'limits = {nofile = "9:3"}', "nofile", "9:3", "unlimited"),
    ({"umask": "99"}, 'umask = "99"', "umask", "99", "022"),
    ({"readiness": {"log": "a("}}, 'readiness = {log = "a("}', "log", "parenthesis", "pcre2"),
    ({"retry_policy": {"rules": [{"signal": "KIL", "then": "stop"}]}},
     'retry_policy = {rules = [{signal = "KIL", then = "stop"}]}', "signal", "KIL", "SIGTERM"),
    ({"reload": "SIGHOP"}, 'reload = "SIGHOP"', "reload", "SIGHOP", "SIGHUP"),
]


def error_of(refused):
    assert refused.code == INVALID_PARAMS, str(refused)
    return refused.data["errors"][0]


@pytest.mark.parametrize("keys,toml,key,message,hint", MISTAKES, ids=[m[1].split(" ")[0] for m in MISTAKES])
def test_a_mistake_is_refused_through_every_way_in(hp, keys, toml, key, message, hint):
    text = f'[[binaries]]\nname = "w"\nexec = ["sleep", "9"]\n{toml}\n'
    action = {"name": "w", "script": "sleep 9", **keys}
    errors = [error_of(hp.refusal("service.register", manifest=text, path="w/service.toml")),
              error_of(hp.refusal("service.define", service={"name": "w", "actions": [action]})),
              error_of(hp.refusal("service.set", service={"name": "w", "actions": [action]})),
              error_of(hp.refusal("action.set", action=action)),
              error_of(hp.refusal("run.submit", actions=[action]))]
    for error in errors:
        assert error["key"] == key and message in error["message"] and hint in error["hint"], error
    assert (errors[0]["file"], errors[0]["line"]) == ("w/service.toml", 4) and errors[0]["column"] > len(key)
    assert hp.rpc("service.list")["services"] == [] and hp.rpc("run.list")["runs"] == []


def test_the_command_line_shows_the_place_and_the_hint(hp):
    file = hp.root / "service.toml"
    file.write_text('[[binaries]]\nname = "w"\nstop_signal = "SIGTREM"\n')
    done = hp.cli("check", file)
    assert done.returncode == REFUSED
    said = done.stdout + done.stderr
    assert "service.toml:3:15" in said and "SIGTREM" in said and "signal(7)" in said


def test_users_and_groups_may_appear_later(hp):
    answer = hp.rpc("service.define", service={"name": "w", "actions": [
        {"name": "w", "script": "true", "user": "nobody-of-that-name", "group": "none-of-that-name"}]})
    assert "nobody-of-that-name" not in json.dumps(answer["warnings"])
