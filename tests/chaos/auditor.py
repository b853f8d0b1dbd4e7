#!/usr/bin/env python3
"""auditor.py SOCKET MARK - compares what the API says with what the kernel says, every 20 ms.

A process of its own that believes nobody: it finds the workers in /proc by their name and
the MARK in their environment, and asks service.list.  Each sample is /proc, the API, /proc
again; the two disagree only where the API's answer is wrong before and after it.

What is counted as time.  A divergence lasts from the first to the last of the samples in a
row in which it is seen.  The interval between two of them counts as it was, but at most
25 ms: an auditor that was itself late can not say what was in between.  While the API does
not answer there is no sample: nothing is said, so nothing is wrong; the clock of a divergence
stands still, and goes on with the next server.  The time without answers is counted by
itself.

Ends at the end of its standard input, and prints one JSON object.
"""
import http.client
import json
import os
import select
import socket
import sys
import time

EVERY, INTERVAL_MAX, TOLERATED = 0.020, 0.025, 0.050
WORKER = b"(chaos_worker)"


class Door(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=2)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class World:
    """The workers that live, from /proc alone: pid -> (service, token)."""

    def __init__(self, mark):
        self.mark, self.known, self.outside = mark.encode(), {}, []
        self.early = 0  # looked at inside execve(2): asked again in the next sample

    def look(self):
        living = {}
        for entry in os.listdir("/proc"):
            if not entry.isdigit():
                continue
            try:
                with open(f"/proc/{entry}/stat", "rb") as f:
                    text = f.read()
                end = text.rindex(b")")
                if not text[:end + 1].endswith(WORKER):
                    continue
                fields = text[end + 2:].split()
                if fields[0] in (b"Z", b"X"):
                    continue
                key = int(entry), int(fields[19])
                if key not in self.known:
                    self.known[key] = self.identify(entry)
            except (OSError, ValueError):
                continue
            if self.known[key]:
                living[key[0]] = self.known[key]
        return living

    def identify(self, pid):
        with open(f"/proc/{pid}/environ", "rb") as f:
            environ = f.read().split(b"\0")
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            words = f.read().split(b"\0")
        if environ == [b""] or words == [b""]:
            self.early += 1
            raise OSError("inside execve(2): it has its name, and no environment yet")
        if self.mark not in environ or len(words) < 3:
            return None
        token = next(e[16:].decode() for e in environ if e.startswith(b"HERO_PROC_TOKEN="))
        with open(f"/proc/{pid}/cgroup") as f:
            ours = [line for line in f if "hero_proc-" in line]
        if ours and not any(token in line for line in ours):
            self.outside.append((int(pid), token, ours[0].strip()))
        return words[2].decode(), token


class Auditor:
    def __init__(self, path, mark):
        self.path, self.world = path, World(mark)
        self.door = None
        self.open, self.ended = {}, []
        self.doubled, self.lost = {}, {}
        self.samples = self.answers = 0
        self.last = self.away_since = None
        self.away, self.answer_longest = [], 0.0
        self.divergences = []

    def ask(self):
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "service.list", "params": {"limit": 10000}})
        try:
            self.door = self.door or Door(self.path)
            self.door.request("POST", "/rpc", body)
            return json.loads(self.door.getresponse().read())["result"]["services"]
        except (OSError, http.client.HTTPException, ValueError, KeyError):
            if self.door:
                self.door.close()
            self.door = None
            return None

    def sample(self):
        self.samples += 1
        before, begun = self.world.look(), time.monotonic()
        said = self.ask()
        now = time.monotonic()
        after = self.world.look()
        self.look_for_doubles(before)
        if said is None:
            if self.away_since is None:
                self.away_since = begun
            self.last = None
            return
        if self.away_since is not None:
            self.away.append(now - self.away_since)
            self.away_since = None
        self.answers += 1
        self.answer_longest = max(self.answer_longest, now - begun)
        self.compare(self.wrong(said, before) & self.wrong(said, after), now)

    def look_for_doubles(self, living):
        by = {}
        for pid, (service, _) in living.items():
            by.setdefault(service, []).append(pid)
        for service, pids in by.items():
            if len(pids) > 1:
                self.doubled[f"{service} {sorted(pids)}"] = time.monotonic()

    def wrong(self, said, living):
        """What the answer says that the kernel does not, and the other way round."""
        found, believed = set(), {}
        for service in said:
            for action in service["actions"]:
                if action.get("reason") == "lost":
                    self.lost[f"{service['name']} attempt {action['attempt']}"] = action
                believed[service["name"]] = action["pid"]
                if action["state"] in ("running", "ready") and action["pid"] not in living:
                    found.add(("said to live, is gone", service["name"], action["pid"], action["state"]))
        for pid, (service, _) in living.items():
            if service in believed and believed[service] != pid:
                found.add(("lives, is not said", service, pid, ""))
        return found

    def compare(self, wrong, now):
        passed = min(now - self.last, INTERVAL_MAX) if self.last is not None else 0
        self.last = now
        for key in list(self.open):
            if key not in wrong:
                self.divergences.append((round(self.open.pop(key) * 1000), f"{time.strftime('%H:%M:%S', time.gmtime())}.{int(time.time() % 1 * 1000):03}", *key))
        for key in wrong:
            self.open[key] = self.open[key] + passed if key in self.open else 0

    def report(self):
        self.divergences += [(round(length * 1000), "until the end", *key) for key, length in self.open.items()]
        long = sorted((d for d in self.divergences if d[0] > TOLERATED * 1000), reverse=True)
        return {"samples": self.samples, "answers": self.answers, "doubled": sorted(self.doubled),
                "lost": sorted(self.lost), "outside": self.world.outside, "early": self.world.early,
                "seen": sum(1 for v in self.world.known.values() if v),
                "divergences": len(self.divergences), "long": long[:20], "long_count": len(long),
                "healed_ms": [d[0] for d in self.divergences], "longest_ms": max((d[0] for d in self.divergences), default=0),
                "away_s": self.away,
                "answer_longest_ms": self.answer_longest * 1000}


def main():
    auditor = Auditor(*sys.argv[1:3])
    due = time.monotonic()
    while not select.select([sys.stdin], [], [], max(0, due - time.monotonic()))[0]:
        auditor.sample()
        due = max(due + EVERY, time.monotonic())
    print(json.dumps(auditor.report()))


if __name__ == "__main__":
    main()
