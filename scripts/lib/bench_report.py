"""bench_report.py LINES DIR COMMIT: JSON lines of the benchmarks → DIR/bench.json and DIR/bench.html.

The page stands alone: curves are inline SVG, nothing is loaded from anywhere. Standard library only.
"""

import html
import json
import math
import sys
from pathlib import Path

COLOURS = ["#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf", "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22"]
WIDTH, HEIGHT, LEFT, BOTTOM = 860, 360, 60, 40
STYLE = """body{font:15px/1.5 system-ui,sans-serif;max-width:62em;margin:2em auto;padding:0 1em;color:#222}
table{border-collapse:collapse;width:100%;margin:1em 0}td,th{padding:.2em .6em;text-align:right;border-bottom:1px solid #ddd}
td:first-child,th:first-child{text-align:left}.pass{color:#187a2f}.fail{color:#b3001b;font-weight:bold}"""


def collect(lines):
    found = {"machine": "", "rows": [], "figures": [], "gates": []}
    for line in lines:
        said = json.loads(line)
        for key, place in (("row", "rows"), ("figure", "figures"), ("gate", "gates")):
            if key in said:
                found[place].append(said)
        found["machine"] = said.get("machine", found["machine"])
    return found


def x_of(percentile):  # 0, 90, 99, 99.9, … at equal distances
    return LEFT + (WIDTH - LEFT - 10) * min(-math.log10(max(1 - percentile / 100, 1e-5)), 5) / 5


def curves(rows):
    most = max((ns for row in rows for _, ns in row["curve"]), default=1)
    top = 10 ** math.ceil(math.log10(max(most, 10)))

    def y_of(ns):
        return (HEIGHT - BOTTOM) * (1 - math.log10(max(ns, 1)) / math.log10(top))

    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT + 18 * len(rows)}" role="img">']
    for percentile in (0, 90, 99, 99.9, 99.99, 99.999):
        x = x_of(percentile)
        parts.append(f'<path d="M{x:.1f} 0V{HEIGHT - BOTTOM}" stroke="#ddd"/>'
                     f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 18}" font-size="12" text-anchor="middle">{percentile} %</text>')
    for power in range(int(math.log10(top)) + 1):
        y = y_of(10 ** power)
        parts.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - 10}" stroke="#ddd"/>'
                     f'<text x="{LEFT - 6}" y="{y + 4:.1f}" font-size="12" text-anchor="end">{10 ** power} ns</text>')
    for i, row in enumerate(rows):
        colour = COLOURS[i % len(COLOURS)]
        points = " ".join(f"{x_of(p):.1f},{y_of(ns):.1f}" for p, ns in row["curve"])
        y = HEIGHT + 18 * i
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
                     f'<path d="M{LEFT} {y}h24" stroke="{colour}" stroke-width="3"/>'
                     f'<text x="{LEFT + 32}" y="{y + 4}" font-size="12">{html.escape(row["row"])}</text>')
    return "".join(parts) + "</svg>"


def table(head, rows):
    cells = "".join(f"<th>{html.escape(h)}</th>" for h in head)
    body = "".join("<tr>" + "".join(f"<td>{c}</td>" for c in row) + "</tr>" for row in rows)
    return f"<table><tr>{cells}</tr>{body}</table>"


def page(found, commit):
    parts = [f"<!doctype html><meta charset=utf-8><title>DeltaDyno Telemetry: benchmarks</title><style>{STYLE}</style>",
             f"<h1>Benchmarks</h1><p>{html.escape(found['machine'])}; commit {html.escape(commit)}; "
             "<code>./scripts/bench</code>. Nanoseconds, less an empty timing pair; tm: mean of the fastest 99 %; "
             "ratio: median over rounds.</p>", "<h2>Gates</h2>"]
    parts.append(table(["gate", "value", "limit", ""], [
        [html.escape(g["gate"]), html.escape(g["reason"]) if g["value"] is None else f'{g["value"]:.2f}',
         f'{g["relation"]} {g["limit"]:g} {html.escape(g["unit"])}' if g["relation"] else "",
         '<span class=pass>PASS</span>' if g["passed"] else '<span class=fail>FAIL</span>'] for g in found["gates"]]))
    sections = list(dict.fromkeys(said["section"] for said in found["rows"] + found["figures"]))
    for section in sections:
        rows = [row for row in found["rows"] if row["section"] == section]
        parts.append(f"<h2>{html.escape(section)}</h2>")
        if rows:
            parts.append(table(["", "samples", "p50", "p99", "p99.9", "tm", "ratio"], [
                [html.escape(r["row"]), f'{r["samples"]:,}', *(f'{r[k]:.1f}' for k in ("p50", "p99", "p999", "tm")),
                 f'{r["ratio"]:.2f}'] for r in rows]))
            parts.append(curves([row for row in rows if row["ratio"] > 0]))
        figures = [f for f in found["figures"] if f["section"] == section]
        if figures:
            parts.append(table(["", "value"], [[html.escape(f["figure"]), f'{f["value"]:,.2f} {html.escape(f["unit"])}']
                                               for f in figures]))
    return "\n".join(parts)


def main():
    lines, directory, commit = sys.argv[1:]
    found = collect(Path(lines).read_text(encoding="utf-8").splitlines())
    found["commit"] = commit
    Path(directory, "bench.json").write_text(json.dumps(found, indent=1), encoding="utf-8")
    Path(directory, "bench.html").write_text(page(found, commit), encoding="utf-8")


if __name__ == "__main__":
    main()
