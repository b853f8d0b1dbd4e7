"""hero_proc and hero_service_main against a supervisor that says what a test wants said.

usage: test_programs.py HERO_PROC OWN_SERVICE
"""
import fcntl
import json
import os
import pathlib
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios
import unittest

from fake_server import Error, FakeServer

HERO_PROC, OWN_SERVICE = (os.path.realpath(path) for path in sys.argv[1:3])
DONE, FAILED, USAGE, NOT_FOUND, REFUSED, NOT_READY, TIMED_OUT, NO_DAEMON, DENIED = range(9)

EXITS = {-32000: FAILED, -32001: NOT_FOUND, -32002: REFUSED, -32003: REFUSED, -32004: REFUSED, -32005: NOT_READY,
         -32006: TIMED_OUT, -32007: DENIED, -32008: REFUSED, -32009: FAILED, -32010: FAILED, -32011: NOT_READY,
         -32012: FAILED, -32602: REFUSED, -32601: USAGE, -12345: FAILED}


class Programs(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="hp-")
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        self.socket = str(self.root / "rpc.sock")

    def serve(self, **answers):
        server = FakeServer(self.socket, **answers)
        self.addCleanup(server.close)
        return server

    def run_program(self, *words, status=DONE, cwd=None):
        env = {"PATH": os.environ["PATH"], "HERO_PROC_SOCKET": self.socket, "HOME": str(self.root), "LC_ALL": "C.UTF-8",
               "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "")}
        done = subprocess.run([str(word) for word in words], env=env, cwd=cwd, capture_output=True, text=True, timeout=30)
        self.assertEqual(done.returncode, status, (words, done.stdout, done.stderr))
        return done

    def cli(self, *words, status=DONE, cwd=None):
        return self.run_program(HERO_PROC, *words, status=status, cwd=cwd)


class Errors(Programs):
    def test_every_error_has_the_exit_status_of_the_specification(self):
        for code, status in EXITS.items():
            with self.subTest(code=code):
                self.setUp()
                self.serve(service__get=Error(code, "it says no"))
                self.assertIn("it says no", self.cli("service", "get", "web", status=status).stderr)

    def test_chain_hint_and_candidates_are_told(self):
        self.serve(service__get=Error(-32001, "no service `wob`", hint="did you mean `web`?", candidates=["web"],
                                      chain=["web waits for db"]))
        said = self.cli("service", "get", "wob", status=NOT_FOUND).stderr
        for part in ("no service `wob`", "hint: did you mean `web`?", "web waits for db"):
            self.assertIn(part, said)

    def test_json_carries_the_error(self):
        self.serve(service__get=Error(-32001, "gone", hint="h"))
        error = json.loads(self.cli("--json", "service", "get", "web", status=NOT_FOUND).stdout)["error"]
        self.assertEqual((error["code"], error["message"], error["data"]["hint"]), (-32001, "gone", "h"))

    def test_nobody_there_and_nobody_who_answers_are_no_daemon(self):
        self.assertIn("hero_proc up", self.cli("health", status=NO_DAEMON).stderr)
        self.serve(system__health=b"")
        self.cli("health", status=NO_DAEMON)

    def test_an_answer_that_is_no_json_rpc_fails(self):
        self.serve(system__health=b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhowl")
        self.assertIn("no JSON-RPC answer", self.cli("health", status=FAILED).stderr)
        self.setUp()
        self.serve(system__health=b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
        self.cli("health", status=DENIED)

    def test_an_answer_in_chunks_is_an_answer(self):
        self.serve(service__get={"name": "web", "description": "ä" * 100}).chunked = True
        self.assertEqual(json.loads(self.cli("--json", "service", "get", "web").stdout)["description"], "ä" * 100)


class Usage(Programs):
    def test_a_mistyped_second_word_is_what_is_corrected(self):
        said = self.cli("service", "strat", "web", status=USAGE).stderr
        self.assertIn("no verb `service strat`; did you mean `service start`?", said)
        self.assertIn("did you mean `plan`?", self.cli("plam", status=USAGE).stderr)
        self.assertIn("service", self.cli("service", status=USAGE).stderr)

    def test_numbers_and_durations_that_are_none_are_refused(self):
        for words in (["-n", "abc"], ["-n", "-1"], ["-n", "1x"], ["--timeout", "inf"], ["--timeout", "1e300s"],
                      ["--timeout", "nan"], ["--timeout", "5 apples"]):
            with self.subTest(words=words):
                self.cli("logs", "web", *words, status=USAGE)


class Following(Programs):
    WAITS = {"name": "web", "state": "waiting_deps", "waiting_on": [{"text": "db: rpc.sock does not answer"}]}
    ACTIVE = {"operation": 7, "kind": "start", "operation_state": "active", "names": ["web"], "steps": [{"service": "web"}]}

    def serve_operation(self, end, names=("web",), looks=3, **answers):
        """An operation that is active for so many looks and then is `end`; its services wait until then."""
        asked = []
        active = dict(self.ACTIVE, steps=[{"service": n} for n in names], progress=[dict(self.WAITS, name=n) for n in names])

        def get(_):
            asked.append(1)
            return active if len(asked) <= looks else dict(active, progress=[], **end)

        def status(p):
            ready = end.get("operation_state") == "done"
            return dict(self.WAITS, name=p["name"], **({"state": "running", "waiting_on": []} if ready else {}))

        return self.serve(service__start={"operation": 7}, op__get=get, service__status=status, **answers)

    def test_a_wait_is_told_with_its_reason_and_once(self):
        server = self.serve_operation({"operation_state": "done"})
        said = self.cli("service", "start", "web").stdout
        self.assertEqual(said.count("waits: db: rpc.sock does not answer"), 1)
        self.assertIn("1 of 1 ready in ", said)
        self.assertEqual(server.params("service.start"), {"name": ["web"], "wait": False})

    def test_a_failed_operation_ends_with_its_status_and_chain(self):
        self.serve_operation({"operation_state": "failed", "error": {"code": -32005, "message": "db failed", "chain": ["db: exit code 3"]}})
        said = self.cli("service", "start", "web", status=NOT_READY).stderr
        self.assertIn("db failed", said)
        self.assertIn("db: exit code 3", said)

    def test_why_is_told_instead_of_the_chain_where_it_is_known(self):
        failed = {"operation_state": "failed", "error": {"code": -32005, "message": "db failed", "chain": ["db: exit code 3"]}}
        self.serve_operation(failed, service__why={"state": "failed", "chain": [], "text": "db failed\n  | no space\ntry:  more disk\n"})
        said = self.cli("service", "start", "web", status=NOT_READY).stderr
        self.assertIn("    db failed\n      | no space\n    try:  more disk\n", said)
        self.assertNotIn("exit code 3", said)
        self.setUp()
        failed["error"]["why"] = "the server knows"
        self.serve_operation(failed)  # and why is not answered any more
        self.assertIn("    the server knows\n", self.cli("service", "start", "web", status=NOT_READY).stderr)

    def test_the_callers_wait_ends_with_why_and_the_operation_goes_on(self):
        why = {"state": "waiting_deps", "chain": [{"subject": "web", "because": []}], "text": "web waits\n"}
        self.serve_operation({}, looks=10**6, service__why=why)
        done = self.cli("service", "start", "web", "--timeout", "50ms", status=TIMED_OUT)
        self.assertIn("not within 50 ms; operation 7 goes on\n    follow it:  hero_proc op watch 7\n", done.stderr)
        self.assertIn("    cancel it:  hero_proc op cancel 7\n    web waits\n", done.stderr)
        self.assertIn("0 of 1 ready after", done.stdout)

    def on_a_terminal(self, rows, columns, *words, **env):
        """What hero_proc writes to a terminal of that size."""
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        env = {"HERO_PROC_SOCKET": self.socket, "LC_ALL": "C.UTF-8", **env}
        with subprocess.Popen([HERO_PROC, *words], env=env, stdout=theirs, stderr=theirs) as program:
            os.close(theirs)
            written = b""
            try:
                while part := os.read(ours, 65536):
                    written += part
            except OSError:
                pass  # the other end is closed
        os.close(ours)
        self.assertEqual(program.returncode, DONE, written)
        return written.decode()

    def ten_services(self):
        self.serve_operation({"operation_state": "done"}, [f"s{i}" for i in range(10)], looks=5)

    def test_the_live_block_is_never_higher_or_wider_than_the_terminal(self):
        self.ten_services()
        text = self.on_a_terminal(8, 40, "service", "start", "s0")
        first, *later = re.split("\r\x1b\\[[0-9]+A", text)
        frame = [line.rstrip("\r") for line in first.split("\n")][:-1]
        self.assertLess(len(frame), 8)
        self.assertIn("and 6 more; 0 ready, 10 not yet", frame[-1])
        self.assertTrue(all(len(re.sub("\x1b\\[[0-9;]*[mKJ]", "", line)) < 40 for line in frame), frame)
        self.assertTrue(later)
        self.assertEqual(set(re.findall("\r\x1b\\[([0-9]+)A", text)), {str(len(frame))})
        self.assertNotIn("\x1b[2J", text)  # nothing is erased before it is written over

    def test_no_color_is_honoured(self):
        for env, colored in (({}, True), ({"NO_COLOR": ""}, True), ({"NO_COLOR": "1"}, False)):
            with self.subTest(env=env):
                self.setUp()
                self.ten_services()
                text = self.on_a_terminal(24, 80, "service", "start", "s0", **env)
                self.assertEqual(bool(re.search("\x1b\\[[0-9;]*m", text)), colored)

    def test_a_run_ends_with_the_exit_code_of_its_job(self):
        self.serve(run__get=[{"state": "running"}, {"state": "failed", "jobs": [
            {"action": "a", "state": "failed", "exit_code": 41}]}])
        self.assertIn("exit code 41", self.cli("run", "wait", "r-1", status=41).stdout)


class Showing(Programs):
    def test_a_line_with_a_zero_byte_is_shown_whole(self):
        self.serve(logs__query={"lines": [{"time": "2026-01-01T10:20:30.123456Z", "stream": "stdout",
                                           "line": "before\0after"}]})
        self.assertEqual(self.cli("logs", "web").stdout, "2026-01-01 10:20:30.123 before\0after\n")
        self.assertIn("after", self.cli("logs", "web", "--json").stdout)

    def test_followed_lines_as_json_go_on(self):
        line = {"time": "2026-01-01T10:20:30.123456Z", "stream": "stdout", "line": "x"}
        self.serve(service__status={"name": "web"}, logs__query={"lines": [dict(line, line="one")], "next": "c1"},
                   logs__follow=[{"lines": [dict(line, line="two")], "next": "c2"}, Error(-32001, "gone")])
        done = self.cli("logs", "web", "-f", "--json", status=NOT_FOUND)
        lines = [json.loads(text) for text in done.stdout.splitlines()]
        self.assertEqual([found.get("line") for found in lines[:2]], ["one", "two"])

    def test_columns_are_aligned(self):
        row = {"state": "running", "wanted": "start", "since": "2026-01-01T10:20:30.123456Z", "reason": "none"}
        self.serve(service__list={"services": [dict(row, name="a"), dict(row, name="ein_längerer_name")]})
        lines = self.cli("service", "list").stdout.splitlines()
        self.assertEqual({line.find("running") for line in lines[1:]}, {lines[0].find("STATE")})


class Registering(Programs):
    def test_a_folder_is_one_transaction_in_the_order_of_names(self):
        for name in ("b/service.toml", "a/service.toml", "c.toml", "service.toml", "ignored.txt"):
            (self.root / "d" / name).parent.mkdir(parents=True, exist_ok=True)
            (self.root / "d" / name).write_text(f"# {name}\n[service]\n")
        server = self.serve(service__register={"services": [{"name": "a", "change": "created"}]})
        self.cli("service", "register", self.root / "d")
        self.assertEqual([m["text"] for m in server.params("service.register")["manifests"]],
                         [f"# {n}\n[service]\n" for n in ("a/service.toml", "b/service.toml", "c.toml", "service.toml")])

    def test_a_warning_has_its_place_and_its_hint(self):
        (self.root / "service.toml").write_text("")
        warning = {"file": "/x/service.toml", "line": 3, "column": 7, "message": "it is odd", "hint": "make it even"}
        self.serve(service__register={"services": [], "warnings": [warning]})
        said = self.cli("service", "register", self.root / "service.toml").stderr
        self.assertIn("warning: /x/service.toml:3:7: it is odd\n", said)
        self.assertIn("hint: make it even", said)
        self.assertEqual(self.cli("-q", "service", "register", self.root / "service.toml").stderr, "")

    def test_what_is_no_text_is_refused_and_nothing_is_sent(self):
        (self.root / "service.toml").write_bytes(b"\xff\xfe")
        server = self.serve()
        self.assertIn("UTF-8", self.cli("service", "register", self.root / "service.toml", status=REFUSED).stderr)
        self.cli("service", "register", self.root / "nothing.toml", status=NOT_FOUND)
        self.assertEqual(server.asked, [])

    def test_a_binary_is_registered_with_the_manifest_that_it_prints(self):
        server = self.serve(service__register={"services": []})
        self.cli("service", "register", "--from-binary", OWN_SERVICE)
        asked = server.params("service.register")
        self.assertEqual((asked["for"], asked["path"], asked["exec"]),
                         ("own_service", "own_service:service.toml", OWN_SERVICE))
        self.assertIn('name = "own_service"', asked["manifest"])

    def test_a_long_manifest_and_an_odd_path_of_a_binary(self):
        odd = self.root / "it's odd; $(x)"
        info = json.dumps({"name": "odd", "exec": str(odd), "manifest": "# " + "x" * 300000})
        odd.write_text(f"#!/bin/sh\ncat <<'END'\n{info}\nEND\n")
        odd.chmod(0o700)
        server = self.serve(service__register={"services": []})
        self.cli("service", "register", "--from-binary", odd)
        self.assertEqual(len(server.params("service.register")["manifest"]), 300002)

    def test_a_binary_that_prints_no_manifest_is_an_error(self):
        self.serve()
        self.assertIn("/bin/true", self.cli("service", "register", "--from-binary", "/bin/true", status=FAILED).stderr)
        self.cli("service", "register", "--from-binary", self.root / "nothing", status=NOT_FOUND)


class OwnService(Programs):
    def own(self, *words, status=DONE):
        return self.run_program(OWN_SERVICE, *words, status=status)

    def test_info_tells_name_place_and_manifest(self):
        info = json.loads(self.own("--info").stdout)
        self.assertEqual((info["name"], info["exec"]), ("own_service", OWN_SERVICE))
        self.assertIn("[[binaries]]", info["manifest"])

    def test_start_registers_then_starts_the_owner_and_waits(self):
        server = self.serve(service__register={"services": [{"name": "own_service", "owner": "composite"}]},
                            service__start={"changed": True, "steps": [{"step": "start", "service": "db", "reason": "r"}]})
        said = self.own("--start").stdout
        self.assertIn("composite: started", said)
        self.assertIn("db", said)
        asked = server.params("service.register")
        self.assertEqual((asked["for"], asked["exec"]), ("own_service", OWN_SERVICE))
        self.assertEqual(server.params("service.start")["name"], "composite")
        self.assertIsNot(server.params("service.start").get("wait", True), False)

    def test_a_binary_where_manifests_look_does_not_say_where(self):
        place = self.root / "hero/bin/own_service"
        place.parent.mkdir(parents=True)
        place.symlink_to(OWN_SERVICE)
        server = self.serve(service__register={"services": []}, service__start={"changed": False, "steps": []})
        self.own("--start")
        self.cli("service", "register", "--from-binary", place)
        for method, asked in server.asked:
            self.assertFalse(method == "service.register" and "exec" in asked, asked)
        self.assertEqual(server.params("service.start")["name"], "own_service")

    def test_what_fails_is_told_with_chain_and_hint(self):
        self.serve(service__register={"services": []}, service__start=Error(-32005, "db failed", chain=["db: exit 3"], hint="look"))
        said = self.own("--start", status=NOT_READY).stderr
        for part in ("own_service: db failed", "db: exit 3", "hint: look"):
            self.assertIn(part, said)

    def test_without_a_supervisor_it_ends_with_7_and_serves_nothing(self):
        for option in ("--start", "--stop", "--status"):
            self.assertEqual(self.own(option, status=NO_DAEMON).stdout, "")

    def test_anything_else_is_served(self):
        self.assertEqual(self.own("--port", status=42).stdout, "serves --port\n")


class Daemon(Programs):
    def test_a_socket_in_the_present_folder_is_no_reason_to_fall(self):
        """The folder of the log was once taken from a path without one."""
        bin_ = self.root / "bin"
        bin_.mkdir()
        (bin_ / "hero_proc").write_bytes(pathlib.Path(HERO_PROC).read_bytes())
        (bin_ / "hero_proc").chmod(0o700)
        (bin_ / "hero_proc_server").write_text('#!/bin/sh\necho "$@"\nexit 3\n')
        (bin_ / "hero_proc_server").chmod(0o700)
        (self.root / "service.toml").write_text("")
        self.run_program(bin_ / "hero_proc", "--socket", "r.sock", "up", "service.toml", status=NO_DAEMON, cwd=self.root)
        log = self.root / "hero/var/hero_proc/supervisor.log"
        self.assertEqual(log.read_text(), "--socket r.sock\n")
        self.run_program(bin_ / "hero_proc", "up", "service.toml", status=NO_DAEMON, cwd=self.root)
        self.assertEqual(log.read_text(), f"--socket r.sock\n--socket {self.socket}\n")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
