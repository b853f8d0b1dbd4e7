"""stack.py - a random stack of services that keep account of themselves (chaos_worker.c)."""
import json


class Service:
    def __init__(self, rnd, i, n):
        self.name = f"c{i}"
        self.needs = [f"c{j}" for j in range(i) if rnd.random() < 2 / n][:3] if i >= n // 3 else []
        self.deaf = rnd.random() < 0.1
        self.crashes = not self.deaf and rnd.random() < 0.25
        self.flood = rnd.choice([0, 0, 0, 5, 20])
        self.pause_us = rnd.choice([0, 5000, 20000, 50000])
        self.ready_ms = rnd.choice([0, 0, 1, 20, 60])
        self.life_ms = rnd.randrange(100, 1500) if self.crashes else 0
        self.probed = not self.deaf and not self.crashes and rnd.random() < 0.4

    def definition(self, hp, folder):
        keys = {k: getattr(self, k) for k in ("flood", "pause_us", "ready_ms", "life_ms")}
        argv = [f"{hp.bin}/chaos_worker", str(folder), self.name, f"deaf={int(self.deaf)}"]
        action = {"name": self.name, "is_process": True, "interpreter": "exec",
                  "exec": argv + [f"{k}={v}" for k, v in keys.items()],
                  "stop_timeout_ms": 300 if self.deaf else 20000,
                  "retry_policy": {"restart": "always", "delay_ms": 20, "delay_max_ms": 200}}
        if self.probed:
            action["probes"] = {"liveness": {"exec": ["/bin/sh", "-c", f"! test -e {self.sick(folder)}"], "interval_ms": 150,
                                             "timeout_ms": 10000, "failure_threshold": 2}}
        if self.ready_ms:
            action["readiness"] = {"fd": 3}
        return {"name": self.name, "actions": [action], "dependencies": {"requires": self.needs}}

    def sick(self, folder):
        return folder / f"sick-{self.name}"


def job(hp, folder, i, code, life_ms):
    """One ad-hoc run, whose exit status is known beforehand."""
    argv = [f"{hp.bin}/chaos_worker", str(folder), f"job{i}", "pause_us=2000", f"life_ms={life_ms}", f"code={code}"]
    return {"name": f"job{i}", "actions": [{"name": "job", "interpreter": "exec", "exec": argv}], "wait": False}


class Account:
    """What the workers wrote about themselves."""

    def __init__(self, folder):
        self.folder = folder

    def read(self):
        """token -> {name, pid, deaf, status (None: no word of an end), lines}"""
        rows = {}
        path = self.folder / "marks"
        for line in path.read_text().splitlines() if path.exists() else []:
            fact, token, name, pid, value = line.split()
            if fact == "start":
                rows[token] = {"name": name, "pid": int(pid), "deaf": value == "1", "status": None}
            else:
                rows[token]["status"] = int(value)
        for token, row in rows.items():
            row["lines"] = int.from_bytes((self.folder / "lines" / token).read_bytes(), "little")
        return rows


def lines_of(hp, name):
    """Every line of a service or run in the log, page by page."""
    cursor = None
    key = "run" if "#" in name else "service"
    while True:
        page = hp.rpc("logs.query", limit=10000, **{key: name}, **({"cursor": cursor} if cursor else {}))
        yield from (row["line"] for row in page["lines"])
        cursor = page.get("next")
        if not cursor or not page["lines"]:
            return


def check_lines(rows, lines):
    """(lost, doubled or out of order) among the lines of the attempts in `rows`, by their numbers."""
    last, wrong, lost = dict.fromkeys(rows, 0), [], []
    for line in lines:
        token, _, number = line.partition(" ")
        if token not in last or not number.isdigit():
            wrong.append(f"strange line {line!r}")
        elif int(number) != last[token] + 1:
            what = lost if int(number) > last[token] else wrong
            what.append(f"{rows[token]['name']} {token}: {number} follows {last[token]}")
            last[token] = int(number)
        else:
            last[token] += 1
    lost += [f"{row['name']} {t}: {last[t]} of {row['lines']}" for t, row in rows.items() if last[t] < row["lines"]]
    return lost, wrong


def show(value):
    return json.dumps(value, indent=None)
