#!/usr/bin/env python3
"""Ten years in ten zones: cron_list against an independent calculation by zoneinfo."""
import datetime as dt
import subprocess
import sys
from zoneinfo import ZoneInfo

ZONES = ["UTC", "Europe/Paris", "America/New_York", "America/Sao_Paulo", "Australia/Lord_Howe",
         "Asia/Hebron", "Africa/Casablanca", "Asia/Kathmandu", "Pacific/Apia", "Europe/Dublin"]
FIRST, LAST = 2010, 2019
UTC = dt.timezone.utc


def instants_of_walls(walls, zone):
    """Fixed times.  PEP 495: fold 0 is the first of two, and in a gap the offset before it."""
    return sorted({int(w.replace(tzinfo=zone).timestamp()) for w in walls})


def days(zone):
    day = dt.datetime(FIRST, 1, 1)
    while day.year <= LAST:
        yield day
        day += dt.timedelta(days=1)


def daily(*times):
    return lambda zone: instants_of_walls(
        [d.replace(hour=h, minute=m, second=s) for d in days(zone) for h, m, s in times], zone)


def fridays(zone):
    return instants_of_walls([d.replace(hour=1, minute=30) for d in days(zone) if d.weekday() == 4], zone)


def last_days(zone):
    return instants_of_walls([d.replace(hour=23, minute=59) for d in days(zone)
                              if (d + dt.timedelta(days=1)).day == 1], zone)


def real_time(step, matches):
    def run(zone):
        t = int(dt.datetime(FIRST, 1, 1, tzinfo=UTC).timestamp()) - 2 * 86400
        end = int(dt.datetime(LAST + 1, 1, 1, tzinfo=UTC).timestamp()) + 2 * 86400
        return [x for x in range(t, end, step) if matches(dt.datetime.fromtimestamp(x, zone))]
    return run


RULES = {
    "30 2 * * *": daily((2, 30, 0)),
    "0,15,30,45 0-3 * * *": daily(*[(h, m, 0) for h in range(4) for m in (0, 15, 30, 45)]),
    "*/20 1 * * *": daily(*[(1, m, 0) for m in (0, 20, 40)]),
    "5 30 2 * * *": daily((2, 30, 5)),
    "30 1 * * fri": fridays,
    "59 23 L * *": last_days,
    "0 * * * *": real_time(900, lambda w: w.minute == 0),
    "30 */2 * * *": real_time(900, lambda w: w.minute == 30 and w.hour % 2 == 0),
}


def main():
    program, wrong = sys.argv[1], 0
    for name in ZONES:
        zone = ZoneInfo(name)
        begin = int(dt.datetime(FIRST, 1, 5, tzinfo=UTC).timestamp())
        end = int(dt.datetime(LAST, 12, 20, tzinfo=UTC).timestamp())
        for expression, rule in RULES.items():
            expected = [t for t in rule(zone) if begin < t <= end]
            out = subprocess.run([program, expression, name, str(begin), str(end)],
                                 capture_output=True, text=True, check=True).stdout
            got = [int(line) for line in out.split()]
            if got != expected:
                wrong += 1
                differ = sorted(set(got) ^ set(expected))[:3]
                print(f"{expression} in {name}: {len(got)} instead of {len(expected)}, first at",
                      [dt.datetime.fromtimestamp(t, zone).isoformat() for t in differ])
    print(f"{len(ZONES) * len(RULES)} calendars of {LAST - FIRST + 1} years, {wrong} wrong")
    return wrong != 0


sys.exit(main())
