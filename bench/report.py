"""report.py - medians over the rounds as Markdown, with the spread, and ratios to `floor`.

A ratio is taken within a round, then its median: machines differ from minute to minute.
"""
import statistics
from pathlib import Path

HEAD = """# Benchmarks

Written by `bench/run` ([how](../bench/README.md)); what the figures mean, where we lose and why, and what was done
about it, is in [performance.md](performance.md). Times are microseconds unless they say otherwise, taken by the
services themselves. Each cell is the median of the rounds, with the least and the greatest; `x floor` is the median
of the ratios within a round.
"""


def number(v):
    if v == int(v) or abs(v) >= 1000:
        return f"{v:,.0f}"
    return f"{v:.0f}" if abs(v) >= 100 else f"{v:.1f}"


def cell(values):
    middle = statistics.median(values)
    text = number(middle)
    return text if min(values) == max(values) else f"{text} ({number(min(values))}–{number(max(values))})"


def ratio(rounds, base, figure):
    """Median over the rounds that both have, or None."""
    found = [f[figure] / base[r][figure] for r, f in rounds.items()
             if r in base and f.get(figure) and base[r].get(figure)]
    return statistics.median(found) if found else None


def table(title, peers):
    """peers: {name: {round: figures}}"""
    failed = {p: next(f["failed"] for f in rounds.values() if "failed" in f)
              for p, rounds in peers.items() if all("failed" in f for f in rounds.values())}
    good = {p: {r: f for r, f in rounds.items() if "failed" not in f} for p, rounds in peers.items() if p not in failed}
    figures = list(dict.fromkeys(k for rounds in good.values() for f in rounds.values() for k in f))
    base = good.get("floor", {})
    lines = [f"\n### {title}\n", "| | " + " | ".join(figures) + " |", "|---" * (len(figures) + 1) + "|"]
    for peer, rounds in good.items():
        cells = []
        for figure in figures:
            values = [f[figure] for f in rounds.values() if figure in f]
            times = ratio(rounds, base, figure) if peer != "floor" else None
            cells.append((cell(values) if values else "–") + (f", **{times:.2f} x**" if times else ""))
        lines.append(f"| {peer} | " + " | ".join(cells) + " |")
    return lines + [f"\n{peer}: {why}" for peer, why in failed.items()]


def write(path, rows):
    heads = [row for row in rows if "machine" in row]
    machine, peers = heads[-1]["machine"], {name: p for head in heads for name, p in head["peers"].items()}
    lines = [HEAD, "## Machine\n", "| | |", "|---|---|"] + [f"| {k} | {v} |" for k, v in machine.items()]
    lines += ["\n## Peers\n", "| peer | version | configuration |", "|---|---|---|"]
    lines += [f"| {name} | {p['version']} | {p['config']} |" for name, p in peers.items()]
    missing = sorted({name for head in heads for name in head["missing"]} - set(peers))
    if missing:
        lines.append("\nNot found on this machine: " + ", ".join(missing) + ".")
    found = {}
    for row in rows:
        if "scenario" in row:
            place = found.setdefault((row["scenario"], row["title"]), {}).setdefault(row["peer"], {})
            place[len(place)] = row["figures"]
    lines.append("\n## Figures")
    for (key, title), by_peer in found.items():
        order = ["floor", "hero_proc"] + [p for p in by_peer if p not in ("floor", "hero_proc")]
        lines += table(f"{key}: {title}", {p: by_peer[p] for p in order if p in by_peer})
    Path(path).write_text("\n".join(lines) + "\n")
