"""What is executed: a string by the shell, a list as it is, wherever a command may stand (SPEC 3.1);
and what is said when it can not be (F86)."""
import json
import os
import pwd
import time

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


# ---- what can not be executed (F86) ------------------------------------------------------

def program(hp, name, content, mode=0o755):
    path = hp.bin / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    path.chmod(mode)
    return str(path)


def elf(machine, interp=b""):
    """A head of a 64-bit program, with a loader."""
    head = b"\x7fELF\x02\x01\x01" + bytes(9) + (3).to_bytes(2, "little") + machine.to_bytes(2, "little")
    head += (1).to_bytes(4, "little") + bytes(8) + (64).to_bytes(8, "little") + bytes(8) + bytes(4)
    head += (64).to_bytes(2, "little") + (56).to_bytes(2, "little") + (1 if interp else 0).to_bytes(2, "little") + bytes(6)
    segment = (3).to_bytes(4, "little") + (4).to_bytes(4, "little") + (120).to_bytes(8, "little") + bytes(16)
    segment += len(interp).to_bytes(8, "little") * 2 + (1).to_bytes(8, "little")
    return head + segment + interp


MACHINE = {"x86_64": 62, "aarch64": 183}[os.uname().machine]
OTHER = {62: (183, "aarch64"), 183: (62, "x86_64")}[MACHINE]


def loop(hp):
    (hp.bin / "loop").symlink_to(hp.bin / "loop")
    return str(hp.bin / "loop")


def dangling(hp):
    (hp.bin / "link").symlink_to(hp.bin / "gone")
    return str(hp.bin / "link")


def below_a_file(hp):
    (hp.root / "file").write_text("x")
    return str(hp.root / "file" / "x")


def nested(hp):
    last = program(hp, "n0", "#!/bin/sh\n")
    for i in range(1, 8):
        last = program(hp, f"n{i}", f"#!{last}\n")
    return last


def fifo(hp):
    os.mkfifo(hp.bin / "fifo", 0o755)
    return str(hp.bin / "fifo")


CASES = {
    "missing": (lambda hp: str(hp.bin / "none"), "No such file or directory"),
    "missing folder": (lambda hp: str(hp.root / "no" / "such" / "x"), "there is no folder `{root}/no`"),
    "not in PATH": (lambda hp: "no-such-program", "it is in no folder of PATH ({bin}:/usr/bin:/bin)"),
    "link to nowhere": (dangling, "`{bin}/link` is a link to `{bin}/gone`, which is not there"),
    "missing interpreter": (lambda hp: program(hp, "x", "#!/usr/bin/pythno3 -u\n"),
                            "the interpreter that its first line names is `/usr/bin/pythno3`, which is not there"),
    "missing folder of the interpreter": (lambda hp: program(hp, "x", "#!/opt/no/bin/sh\n"),
                                          "is `/opt/no/bin/sh`: there is no folder `/opt/no"),
    "interpreter is not executable": (lambda hp: program(hp, "x", f"#!{program(hp, 'y', '', 0o644)}\n"),
                                      "chmod +x {bin}/y"),
    "DOS line ends": (lambda hp: program(hp, "x", "#!/bin/sh\r\necho\r\n"),
                      r"its first line has a DOS line end, so its interpreter is `/bin/sh\r`"),
    "DOS line ends and an argument": (lambda hp: program(hp, "x", "#!/bin/sh -e\r\n"), None),
    "no interpreter behind #!": (lambda hp: program(hp, "x", "#!\n"), "names no interpreter behind #!"),
    "missing loader": (lambda hp: program(hp, "x", elf(MACHINE, b"/lib/ld-none.so.1\0")), "its loader is `/lib/ld-none.so.1`, which is not there"),
    "another machine": (lambda hp: program(hp, "x", elf(OTHER[0])), f"it is a program for {OTHER[1]}"),
    "empty file": (lambda hp: program(hp, "x", ""), "the file is empty"),
    "text without #!": (lambda hp: program(hp, "x", "echo hello\n"), "it is a text without #!; begin it with #!/bin/sh"),
    "byte order mark": (lambda hp: program(hp, "x", b"\xef\xbb\xbf#!/bin/sh\n"), "a byte order mark stands before its #!"),
    "garbage": (lambda hp: program(hp, "x", b"\0\1\2\3"), "it is no program that this kernel knows"),
    "not executable": (lambda hp: program(hp, "x", "#!/bin/sh\n", 0o644), "chmod +x {bin}/x"),
    "a folder": (lambda hp: str(hp.bin), "`{bin}` is a folder; name the program in it"),
    "a FIFO": (fifo, "`{bin}/fifo` is no regular file"),
    "below a file": (below_a_file, "`{root}/file` is a file, no folder"),
    "a loop of links": (loop, "is a link that leads back to itself"),
    "scripts of scripts": (nested, "its interpreter is a script, whose interpreter is a script"),
    "a name too long": (lambda hp: "/" + "x" * 300, "each of its parts 255"),
}


def error_of(hp, name="s", **keys):
    hp.define(name, retry_policy={"restart": "never"}, **keys)
    error = hp.refusal("service.start", name=name)
    assert hp.action(name)["reason"] == "spawn_error"
    text = hp.rpc("service.why", name=name)["text"]
    return error.message, text


@pytest.mark.parametrize("case", CASES)
def test_F86_what_can_not_be_executed_is_explained(hp, case):
    make, told = CASES[case]
    path = make(hp)
    if told is None:  # the carriage return belongs to the argument: sh complains
        hp.define("s", exec=[path], retry_policy={"restart": "never"})
        hp.rpc("service.start", name="s")
        hp.wait_state("s", "failed")
        return
    told = told.format(root=hp.root, bin=hp.bin)
    message, text = error_of(hp, exec=[path])
    assert told in message and told in text, message


def test_F86_arguments_that_are_too_long_are_named(hp):
    message, _ = error_of(hp, exec=["/bin/true", "x" * 200000])
    assert "one text may have 128 KiB, and `xxxx" in message
    message, _ = error_of(hp, "t", exec=["/bin/true"], env={f"VARIABLE_{i}": "y" * 100000 for i in range(30)})
    assert "an environment of 29" in message and "a quarter of the limit of the stack" in message


def test_F86_a_program_that_is_being_written_is_named(hp):
    path = program(hp, "x", b"\x7fELF")
    with open(path, "r+b"):
        message, _ = error_of(hp, exec=[path])
    assert "somebody has it open for writing" in message


@pytest.mark.parametrize("cwd, told", [
    ("{root}/no/such", "there is no folder `{root}/no`"), ("{root}/no", "there is no folder `{root}/no`; mkdir -p {root}/no"),
    ("{root}/file", "`{root}/file` is a file, no folder"), ("{root}/circle", "is a link that leads back to itself")])
def test_F86_a_folder_that_can_not_be_entered_is_explained(hp, cwd, told):
    (hp.root / "file").write_text("x")
    (hp.root / "circle").symlink_to(hp.root / "circle")
    message, text = error_of(hp, cwd=cwd.format(root=hp.root))
    assert told.format(root=hp.root) in message and "chdir `" in text


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_F86_a_folder_that_a_user_may_not_search_is_named(hp):
    folder = hp.root / "closed"
    folder.mkdir(0o700)
    hp.root.chmod(0o755)
    path = folder / "x"
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    message, _ = error_of(hp, exec=[str(path)], user="nobody", cwd="/")
    uid = pwd.getpwnam("nobody").pw_uid
    assert f"to enter the folder `{folder}`: uid {uid} may not, its mode is 0700, its owner uid 0" in message
    message, _ = error_of(hp, "t", cwd=str(folder), user="nobody", exec=["/bin/true"])
    assert f"to enter the folder `{folder}`: uid {uid} may not" in message
    folder.chmod(0o755)
    path.chmod(0o700)
    message, _ = error_of(hp, "u", exec=[str(path)], user="nobody", cwd="/")
    assert f"to execute `{path}`: uid {uid} may not, its mode is 0700" in message


def test_F86_a_probe_that_can_not_be_executed_says_so_too(hp):
    path = program(hp, "probe", "#!/bin/sh\r\n")
    hp.define("s", probes={"startup": {"exec": [path], "failure_threshold": 1}}, retry_policy={"restart": "never"})
    error = hp.refusal("service.start", name="s")
    assert r"its interpreter is `/bin/sh\r`" in error.message


def test_F86_an_interpreter_that_is_not_installed_is_named(hp):
    message, _ = error_of(hp, script="ls", interpreter="nu", env={"PATH": "/nowhere"})
    assert "exec `nu`" in message and "it is in no folder of PATH (/nowhere)" in message


# ---- a default command ---------------------------------------------------------------------

@pytest.mark.parametrize("place", ["{root}/bin", "{root}/.local/bin", "{root}/tools"])
def test_a_default_command_is_found_in_each_of_its_places(fresh, place):
    supervisor = fresh()
    supervisor.env["PATH"] += f":{supervisor.root}/tools"
    hp = supervisor.start()
    folder = hp.root / place.format(root=hp.root)
    folder.mkdir(parents=True, exist_ok=True)
    (hp.bin / "pause").rename(folder / "my_server")
    hp.register_text('[service]\nname = "s"\n[[binaries]]\nname = "my_server"\n')
    hp.rpc("service.start", name="s")
    assert os.readlink(f"/proc/{hp.pid('s')}/exe") == str(folder / "my_server")


def test_a_default_command_that_is_nowhere_names_every_place(hp):
    hp.register_text('[service]\nname = "s"\n[[binaries]]\nname = "my_server"\nretry = {restart = "never"}\n')
    error = hp.refusal("service.start", name="s")
    for place in [f"{hp.root}/bin/my_server", f"{hp.root}/.local/bin/my_server", "/usr/bin/my_server", "/bin/my_server"]:
        assert place in error.message, error.message
    hp.kill_server()
    text = hp.refusal("service.start", name="s").message
    assert f"{hp.root}/.local/bin/my_server" in text  # the stored definition knows that nothing was written


def test_F86_a_stop_command_that_can_not_be_executed_does_not_hold_up_the_stop(hp):
    """Nothing was said, no signal was sent, and KILL came after the whole stop_timeout."""
    hp.define("s", stop_exec=[str(hp.bin / "none")], stop_timeout_ms=8000)
    hp.rpc("service.start", name="s")
    began = time.monotonic()
    hp.rpc("service.stop", name="s")
    assert time.monotonic() - began < 3
    assert "stop_exec: exec `" in json.dumps(hp.rpc("events.query", subject="s"))
