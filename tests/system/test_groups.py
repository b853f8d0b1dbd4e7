"""Groups and failure policies through every way in: the shape of a group, its survival, runs that abort (SPEC 2.3, 2.5.8)."""
from hp import INVALID_PARAMS, is_alive, wait_until

MEMBERS = ["cache_a", "cache_b"]
MANIFEST = """
[service]
name = "app"

[[binaries]]
name = "app"
exec = ["/usr/bin/sleep", "1000"]

[[dependencies]]
any = ["cache_a", "cache_b"]
need = 1
"""


def members(hp):
    for name in MEMBERS:
        hp.define(name, exec=["/usr/bin/sleep", "1000"])


def group_of(edges):
    return sorted((e["target"]["service"], e["kind"], tuple(e["any"]), e["need"]) for e in edges)


GROUP = [(name, "requires", tuple(MEMBERS), 1) for name in MEMBERS]


def test_a_group_is_the_same_through_manifest_and_json_and_after_a_kill_of_the_server(hp):
    members(hp)
    hp.register_text(MANIFEST)
    hp.define("by_json", exec=["/usr/bin/sleep", "1000"], depends_on=[{"any": MEMBERS}])
    for name in ("app", "by_json"):
        assert group_of(hp.edges(name)) == GROUP
    hp.kill_server()
    wait_until(hp.answers)
    for name in ("app", "by_json"):
        assert group_of(hp.edges(name)) == GROUP
    assert hp.register_text(MANIFEST)["services"][0]["change"] == "unchanged"


def test_one_of_a_group_is_enough_for_a_real_start_and_for_a_submitted_run(hp):
    members(hp)
    hp.rpc("wanted.set", name="cache_a", wanted="stop")
    hp.register_text(MANIFEST)
    assert hp.rpc("service.start", name="app")["state"] == "running"
    assert hp.state("cache_a") == "inactive" and is_alive(hp.pid("cache_b"))
    ran = hp.rpc("run.submit", actions=[{"name": "once", "exec": ["/bin/true"],
                                         "depends_on": [{"any": ["cache_b", "ghost"]}]}])
    assert ran["state"] == "succeeded"


def test_a_group_that_says_nonsense_is_refused(hp):
    for group in ({"any": ["a", "a"]}, {"any": ["a", "b"], "need": 3}, {"any": ["a"], "bin": "b"},
                  {"any": ["a", "b"], "kind": "wants"}):
        error = hp.refusal("service.define", service={"name": "x", "actions": [
            {"name": "x", "exec": ["/bin/true"], "depends_on": [group]}]})
        assert error.code == INVALID_PARAMS, group


def test_a_cycle_through_a_group_is_refused(hp):
    members(hp)
    hp.define("x", exec=["/usr/bin/sleep", "1000"], depends_on=[{"any": ["cache_a", "cache_b"]}])
    error = hp.refusal("service.set", service={"name": "cache_b", "actions": [
        {"name": "cache_b", "exec": ["/usr/bin/sleep", "1000"], "depends_on": ["x"]}]})
    assert error.code == -32003 and "x" in str(error.data)


def test_a_run_that_aborts_on_failure_ends_its_other_branches(hp):
    mark = hp.root / "late"
    actions = [{"name": "bad", "script": "exit 111"},
               {"name": "slow", "script": "sleep 1000"},
               {"name": "late", "script": f"touch {mark}", "depends_on": ["slow"]}]
    ran = hp.rpc("run.submit", actions=actions, abort_on_failure=True)
    states = {j["action"]: j["state"] for j in ran["jobs"]}
    assert ran["state"] == "failed"
    assert states == {"bad": "failed", "slow": "cancelled", "late": "skipped"}
    assert {j["action"]: j["exit_code"] for j in ran["jobs"]}["bad"] == 111
    assert not mark.exists()


def test_without_it_independent_branches_finish(hp):
    mark = hp.root / "late"
    ran = hp.rpc("run.submit", actions=[{"name": "bad", "script": "exit 3"},
                                        {"name": "slow", "script": "sleep 0.3"},
                                        {"name": "late", "script": f"touch {mark}", "depends_on": ["slow"]}])
    assert ran["state"] == "failed" and mark.exists()


def test_a_second_definition_of_one_name_is_refused_and_set_replaces_it(hp):
    hp.define("x", exec=["/usr/bin/sleep", "1000"])
    other = {"name": "x", "actions": [{"name": "x", "exec": ["/usr/bin/sleep", "2000"]}]}
    assert hp.refusal("service.define", service=other).code == -32002
    assert hp.rpc("service.get", name="x")["actions"][0]["exec"] == ["/usr/bin/sleep", "1000"]
    assert hp.rpc("service.set", service=other)["services"][0]["change"] == "updated"
    assert hp.rpc("service.get", name="x")["actions"][0]["exec"] == ["/usr/bin/sleep", "2000"]


def test_a_group_that_is_said_twice_needs_the_larger_number(hp):
    members(hp)
    hp.rpc("wanted.set", name="cache_a", wanted="stop")
    hp.define("x", exec=["/usr/bin/sleep", "1000"], depends_on=[{"any": MEMBERS}, {"any": MEMBERS, "need": 2}])
    assert hp.rpc("service.start", name="x")["state"] == "running"
    assert [hp.state(name) for name in MEMBERS] == ["running", "running"]
