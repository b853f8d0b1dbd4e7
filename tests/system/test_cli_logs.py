"""hero_proc logs: what is shown, counted, exported, and with which exit status."""
import json

import hp as h
from hp import wait_until

SCRIPT = r"""
i=0
while [ $i -lt 20 ]; do
	echo "{\"level\":\"$([ $((i % 5)) = 3 ] && echo error || echo info)\",\"status\":$((i % 2 + 200)),\"n\":$i}"
	i=$((i+1))
done
printf 'a\ttab and a \\ here\n' >&2
exec sleep 1000
"""


def speak(hp):
    hp.define("web", script=SCRIPT)
    hp.define("db", script="echo of the db; exec sleep 1000")
    hp.rpc("service.start", name=["web", "db"])
    wait_until(lambda: len(hp.log_lines("web")) == 21 and hp.log_lines("db"), what="both have spoken")


def out(done, status=0):
    assert done.returncode == status, done.stderr
    return done.stdout.splitlines()


def test_where_level_and_fields(hp):
    speak(hp)
    assert len(out(hp.cli("logs", "web", "--level", "error"))) == 4
    assert [line.split(" ", 1)[1] for line in out(hp.cli("logs", "web", "--where", "n > 17", "--fields", "n,status"))] == [
        "n=18 status=200", "n=19 status=201"]
    wrong = hp.cli("logs", "web", "--where", "n >> 17")
    assert wrong.returncode == h.REFUSED and "column" in wrong.stderr


def test_count_by_and_rate(hp):
    speak(hp)
    head, *rows = out(hp.cli("logs", "web", "--count-by", "status,level", "--where", "n exists"))
    assert head.split() == ["COUNT", "status", "level"]
    assert sorted(row.split() for row in rows) == [
        ["2", "200", "error"], ["2", "201", "error"], ["8", "200", "info"], ["8", "201", "info"]]
    bars = [line for line in out(hp.cli("logs", "web", "--rate")) if "#" in line]
    assert sum(int(bar.split()[-2]) for bar in bars) == 21
    stats = json.loads(hp.cli("logs", "web", "--rate", "--json").stdout)
    assert sum(b["count"] for b in stats["buckets"]) == 21


def test_grep_has_the_exit_status_of_grep(hp):
    speak(hp)
    assert len(out(hp.cli("logs", "web", "--grep", "error"))) == 4
    assert out(hp.cli("logs", "web", "--grep", "nowhere"), 1) == []
    assert out(hp.cli("logs", "web", "--grep", "nowhere", "--since", "1h"), 1) == []
    assert hp.cli("logs", "nobody", "--grep", "x").returncode == h.NOT_FOUND


def test_export_in_heros_form_and_as_json_lines(hp):
    speak(hp)
    rows = [line.split("\t") for line in out(hp.cli("logs", "web", "--export", "hero"))]
    assert len(rows) == 21 and all(len(row) == 8 for row in rows)
    last = next(row for row in rows if row[6] == "stderr")
    assert last[1:3] == ["web", "web"] and last[7] == "a\\ttab and a \\\\ here"
    lines = [json.loads(line) for line in out(hp.cli("logs", "web", "--export", "jsonl"))]
    assert len(lines) == 21 and {line["service"] for line in lines} == {"web"}
    assert hp.cli("logs", "web", "--export", "xml").returncode == h.USAGE


def test_boot_is_since_the_machine_was_started(hp):
    speak(hp)
    assert len(out(hp.cli("logs", "web", "--boot"))) == 21


def test_around_a_failure_with_what_it_needs(hp):
    hp.define("db", script="echo of the db; exec sleep 1000")
    hp.define("web", script="echo about to fail; exit 3", dependencies={"requires": ["db"]}, retry_policy={"max_attempts": 1})
    assert hp.cli("logs", "db", "--around-failure").returncode == h.NOT_FOUND
    hp.rpc("service.start", name="web", wait=False)
    hp.wait_state("web", "failed")
    lines = wait_until(lambda: [x for x in hp.cli("logs", "web", "--around-failure", "--with-deps").stdout.splitlines()
                                if "about to fail" in x], what="its last words are there")
    assert lines
    both = hp.cli("logs", "--around-failure", "web", "--with-deps").stdout
    assert "of the db" in both and "about to fail" in both
