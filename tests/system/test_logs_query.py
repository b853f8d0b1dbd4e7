"""Lines by the API: which, in what order, how many, and what the answer took."""
import json
import time

import hp as h
from hp import wait_until

JSON_LINES = r"""
i=0
while [ $i -lt 40 ]; do
	echo "{\"level\":\"$([ $((i % 10)) = 3 ] && echo error || echo info)\",\"status\":$((i % 4 + 200)),\"took\":\"${i}ms\",\"n\":$i}"
	i=$((i+1))
done
echo "plain text status=503 took=2s" >&2
exec sleep 1000
"""


def speak(hp, name, script):
    hp.define(name, script=script)
    hp.rpc("service.start", name=name)


def texts(answer):
    return [line["line"] for line in answer["lines"]]


def test_where_selects_records_by_their_fields(hp):
    speak(hp, "web", JSON_LINES)
    wait_until(lambda: len(hp.log_lines("web")) == 41, what="it said all")
    got = hp.rpc("logs.query", name="web", where="level >= warn")
    assert [json.loads(t)["n"] for t in texts(got)] == [3, 13, 23, 33]
    got = hp.rpc("logs.query", name="web", where="status >= 500 or (n > 36 and took < 39ms)")
    found = texts(got)  # standard output and error are two pipes: their order is that of their chunks
    assert len(found) == 3 and sum(t.startswith("plain text") for t in found) == 1, found
    got = hp.rpc("logs.query", name="web", where="stream = stderr", fields=["status", "took", "absent"])
    assert [line["fields"] for line in got["lines"]] == [{"status": "503", "took": "2s"}]
    assert got["segments_opened"] >= 1 and got["bytes_read"] > 0


def test_count_by_and_stats(hp):
    speak(hp, "web", JSON_LINES)
    wait_until(lambda: len(hp.log_lines("web")) == 41, what="it said all")
    got = hp.rpc("logs.query", name="web", count_by="status")
    assert got["matched"] == 41 and sum(c["count"] for c in got["counts"]) == 41
    assert {(c["values"]["status"], c["count"]) for c in got["counts"]} == {
        ("200", 10), ("201", 10), ("202", 10), ("203", 10), ("503", 1)}
    got = hp.rpc("logs.query", name="web", count_by=["stream", "level"], where="n < 20 or stream = stderr")
    assert [(c["values"]["stream"], c["values"]["level"], c["count"]) for c in got["counts"]] == [
        ("stdout", "info", 18), ("stdout", "error", 2), ("stderr", None, 1)]
    got = hp.rpc("logs.stats", name="web", bucket_ms=3600000, by="level")
    assert sum(b["count"] for b in got["buckets"]) == 41 and got["buckets"][0]["time"].endswith("Z")
    assert hp.rpc("logs.stats", name="web")["buckets"][0]["bytes"] > 1000


def test_an_error_of_where_has_a_column_and_a_hint(hp):
    e = hp.refusal("logs.query", where="level >= wern")
    assert e.code == h.INVALID_PARAMS and e.data["column"] == 10 and e.data["hint"] == "did you mean `warn`?"
    assert hp.refusal("logs.query", where="a ~ '^(a'").data["column"] == 5
    assert "asc or desc" in str(hp.refusal("logs.query", order="up"))


def test_names_are_services_patterns_actions_runs_and_jobs(hp):
    speak(hp, "web_one", "echo of web one; exec sleep 1000")
    speak(hp, "web_two", "echo of web two; exec sleep 1000")
    speak(hp, "db", "echo of db; exec sleep 1000")
    run = hp.rpc("run.submit", actions=[{"name": "once", "exec": ["echo", "of a run"]}], wait=True)
    wait_until(lambda: len(hp.rpc("logs.query")["lines"]) == 4, what="all have spoken")
    assert sorted(texts(hp.rpc("logs.query", name="web_*"))) == ["of web one", "of web two"]
    assert sorted(texts(hp.rpc("logs.query", name=["db", "web_t?o"]))) == ["of db", "of web two"]
    assert texts(hp.rpc("logs.query", name="db/db")) == ["of db"]
    assert texts(hp.rpc("logs.query", name="db/other")) == []
    assert texts(hp.rpc("logs.query", name=run["run"])) == ["of a run"]
    assert texts(hp.rpc("logs.query", name=str(run["jobs"][0]["id"]))) == ["of a run"]
    assert sorted(texts(hp.rpc("logs.query", name=["db", run["run"]]))) == ["of a run", "of db"]
    assert hp.refusal("logs.query", name="nobody").code == h.E_NOT_FOUND


def test_newest_first_in_pages_and_lines_around(hp):
    speak(hp, "web", "seq 1 1000; exec sleep 1000")
    wait_until(lambda: len(hp.log_lines("web")) == 1000, what="it said all")
    seen, cursor = [], {}
    while True:
        page = hp.rpc("logs.query", name="web", order="desc", limit=300, **cursor)
        if not page["lines"]:
            break
        seen += texts(page)
        cursor = {"cursor": page["next"]}
    assert seen == [str(n) for n in range(1000, 0, -1)]
    around = hp.rpc("logs.query", name="web", grep="500", context=2)["lines"]
    assert [(line["line"], line.get("context", False)) for line in around] == [
        ("498", True), ("499", True), ("500", False), ("501", True), ("502", True)]


def test_F100_follow_waits_for_a_line_and_loses_none(hp):
    """Follow from any point, without gap or double, across a kill of the server."""
    speak(hp, "web", "i=0; while :; do i=$((i+1)); echo line $i; sleep 0.002; done")
    first = wait_until(lambda: (hp.rpc("logs.query", name="web", tail=1) or None), what="it speaks")
    wait_until(lambda: len(hp.log_lines("web")) > 3, what="it speaks")
    first = hp.rpc("logs.query", name="web", tail=1)
    seen, cursor = [int(texts(first)[0].split()[1])], first["next"]
    for turn in range(60):
        if turn == 30:
            hp.kill_server()
        page = wait_until(lambda: follow_once(hp, cursor), what="the server answers")
        seen += [int(t.split()[1]) for t in texts(page)]
        cursor = page["next"]
    assert seen == list(range(seen[0], seen[0] + len(seen))) and len(seen) > 60


def follow_once(hp, cursor):
    try:
        return hp.rpc("logs.follow", name="web", cursor=cursor, timeout_ms=5000)
    except OSError:
        return None


def test_follow_ends_with_its_time_and_comes_at_once_with_a_line(hp):
    speak(hp, "web", "echo begin; exec sleep 1000")
    wait_until(lambda: hp.log_lines("web"), what="it speaks")
    cursor = hp.rpc("logs.query", name="web")["next"]
    began = time.monotonic()
    assert hp.rpc("logs.follow", name="web", cursor=cursor, timeout_ms=200)["lines"] == []
    assert 0.15 < time.monotonic() - began < 5
    later = hp.later("logs.follow", name="web", cursor=cursor, timeout_ms=20000)
    hp.rpc("logs.insert", service="web", line="from outside")
    assert texts(later.done()) == ["from outside"]


def test_an_action_over_its_rate_is_cut_and_the_gap_is_a_line(hp):
    hp.define("loud", script="i=0; while :; do i=$((i+1)); echo line $i of many that are too many; done",
              log={"rate": "20K", "overflow": "drop_oldest", "max_bytes": "256K", "retention": "1h"})
    hp.define("quiet", script="echo one; exec sleep 1000")
    hp.rpc("service.start", name=["loud", "quiet"])
    gap = wait_until(lambda: [line for line in hp.rpc("logs.query", name="loud", limit=10000)["lines"] if line.get("dropped")],
                     what="something was dropped")[0]
    assert gap["why"] == "rate" and "bytes dropped: more than its rate" in gap["line"]
    assert texts(hp.rpc("logs.query", name="quiet")) == ["one"]
    assert hp.metric("hero_proc_log_over_rate_bytes_total") >= gap["dropped"]
    assert "more than its rate" in hp.cli("logs", "loud", "--grep", "dropped").stdout
    hp.rpc("service.stop", name="loud")


def test_what_log_does_not_understand_is_refused_with_its_place(hp):
    for log, hint in (({"rate": "fast"}, "bytes a second"), ({"overflow": "explode"}, "block or drop_oldest"),
                      ({"size": 1}, "rate, max_bytes, retention or overflow")):
        e = hp.refusal("service.define", service={"name": "web", "actions": [{"name": "web", "exec": ["true"], "log": log}]})
        assert e.code == h.INVALID_PARAMS and hint in json.dumps(e.data)


def test_logging_of_zinit_acts(hp):
    got = hp.register_text('[service]\nname = "z"\nexec = "sleep 9"\n[logging]\nbuffer_lines = 100\nmax_bytes = "1M"\n', path="z.toml")
    assert not [w for w in got["warnings"] if "logging" in w["message"]], got["warnings"]
