"""bench_report.py LINES DIR COMMIT [COMMAND]: JSON lines of the benchmarks → DIR/bench.json and DIR/bench.html.

The page stands alone: curves are inline SVG, nothing is loaded from anywhere. Standard library only.
bench/harness/report.hpp says what the lines are.
"""

import html
import itertools
import json
import math
import sys
import time
from pathlib import Path

CURVES_MOST = 6  # in one plot: more cannot be told apart
PLOTS_OPEN = 2  # of a section; further ones unfold
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM, LEGEND = 860, 300, 70, 20, 12, 34, 20
PERCENTILES = (0, 90, 99, 99.9, 99.99, 99.999)  # at equal distances
RELATIONS = {"<=": "≤", ">=": "≥"}
STYLE = """:root{color-scheme:light dark;--ink:#1c2127;--soft:#5f6b76;--line:#d8dde2;--back:#fff;--pass:#187a2f;--fail:#b3001b;
--c0:#1965b0;--c1:#c4441c;--c2:#2d8a4e;--c3:#7a3fa0;--c4:#b8860b;--c5:#0b8a94;--base:#7a848e}
@media(prefers-color-scheme:dark){:root{--ink:#e4e8ec;--soft:#9aa5b0;--line:#363d45;--back:#15181c;--pass:#5cc97a;
--fail:#ff6b7d;--c0:#6db1ff;--c1:#ff8a5c;--c2:#6bd08d;--c3:#c79bf0;--c4:#e6bd4a;--c5:#4fd0da;--base:#8a949e}}
body{font:15px/1.5 system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em;color:var(--ink);background:var(--back)}
h2{margin:2.2em 0 .3em;font-size:1.2em}dl{display:grid;grid-template-columns:max-content 1fr;gap:.1em 1em;margin:1em 0}
dt,.soft,th,summary{color:var(--soft)}dd{margin:0}code{font-size:.95em}.wide{overflow-x:auto}
table{border-collapse:collapse;margin:.6em 0;min-width:60%}th{font-weight:normal}
td,th{padding:.15em .7em;text-align:right;border-bottom:1px solid var(--line);font-variant-numeric:tabular-nums;white-space:nowrap}
td:first-child,th:first-child{text-align:left;padding-left:0}td:first-child{white-space:normal}
.pass{color:var(--pass)}.fail{color:var(--fail);font-weight:bold}
svg{width:100%;height:auto;margin:.6em 0;font:12px system-ui,sans-serif}svg text{fill:var(--ink)}.axis{fill:var(--soft)!important}
.grid{stroke:var(--line)}polyline,.key{fill:none;stroke-width:1.8}summary{cursor:pointer}""" + "".join(
    f".s{name}{{stroke:var(--{name})}}" for name in ("c0", "c1", "c2", "c3", "c4", "c5", "base")) + ".sbase{stroke-dasharray:5 4}"


def collect(lines):
    found = {"machine": "", "sections": [], "rows": [], "figures": [], "gates": [], "notes": []}
    for line in lines:
        said = json.loads(line)
        if said.get("section", None) not in [None, *found["sections"]]:
            found["sections"].append(said["section"])
        for key, place in (("row", "rows"), ("figure", "figures"), ("gate", "gates"), ("note", "notes")):
            if key in said:
                found[place].append(said)
        found["machine"] = said.get("machine", found["machine"])
    return found


def x_of(percentile):
    last = len(PERCENTILES) - 1
    return LEFT + (WIDTH - LEFT - RIGHT) * min(-math.log10(max(1 - percentile / 100, 10 ** -last)), last) / last


def text_of_ns(ns):
    for unit, factor in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if ns >= factor:
            return f"{ns / factor:g} {unit}"
    return f"{ns:g} ns"


class Axis:
    """Logarithmic, over the decades that the rows reach."""

    def __init__(self, rows):
        values = [ns for row in rows for _, ns in row["curve"] if ns >= 1] or [1]
        self.low = math.floor(math.log10(min(values)))
        self.high = max(math.ceil(math.log10(max(values))), self.low + 1)

    def y_of(self, ns):
        share = (math.log10(max(ns, 10 ** self.low)) - self.low) / (self.high - self.low)
        return TOP + (HEIGHT - TOP - BOTTOM) * (1 - share)


def polyline(row, axis, style):
    points = " ".join(f"{x_of(p):.1f},{axis.y_of(ns):.1f}" for p, ns in row["curve"])
    return f'<polyline points="{points}" class="s{style}"/>'


def plot(rows, base):
    """One SVG of percentile curves; `base`, what the others are held against, is dashed."""
    shown = [("base", base)] * (base is not None) + [(f"c{i}", row) for i, row in enumerate(rows)]
    axis = Axis([row for _, row in shown])
    floor = HEIGHT - BOTTOM
    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT + LEGEND * ((len(shown) + 1) // 2)}" role="img">']
    for percentile in PERCENTILES:
        x = x_of(percentile)
        anchor = "end" if percentile == PERCENTILES[-1] else "middle"
        parts.append(f'<path d="M{x:.1f} {TOP}V{floor}" class="grid"/>'
                     f'<text x="{x + (10 if anchor == "end" else 0):.1f}" y="{floor + 18}" text-anchor="{anchor}" class="axis">'
                     f'{percentile:g} %</text>')
    for power in range(axis.low, axis.high + 1):
        y = axis.y_of(10 ** power)
        parts.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" class="grid"/>'
                     f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end" class="axis">{text_of_ns(10 ** power)}</text>')
    for i, (style, row) in enumerate(shown):
        x, y = LEFT + i % 2 * (WIDTH - LEFT) / 2, HEIGHT + LEGEND * (i // 2) + 4
        parts.append(polyline(row, axis, style) + f'<path d="M{x} {y}h24" class="key s{style}"/>'
                     f'<text x="{x + 32}" y="{y + 4}">{html.escape(row["row"])}</text>')
    return "".join(parts) + "</svg>"


def groups_of(rows):
    """At most CURVES_MOST each; what begins with the same "kind: " stays together."""
    groups = []
    for _, alike in itertools.groupby(rows, key=lambda row: row["row"].partition(": ")[0]):
        alike = list(alike)
        if groups and len(groups[-1]) + len(alike) <= CURVES_MOST:
            groups[-1] += alike
        else:
            groups += [alike[i:i + CURVES_MOST] for i in range(0, len(alike), CURVES_MOST)]
    return groups


def curves(rows):
    """Plots of a few curves. What costs nothing has none; what the others are held against is in each."""
    drawn = [row for row in rows if row["ratio"] > 0 and row["p50"] >= 1]
    base = next((row for row in drawn if abs(row["ratio"] - 1) < 1e-6), None)
    plots = [plot(group, base) for group in groups_of([row for row in drawn if row is not base] or drawn)]
    rest = "".join(plots[PLOTS_OPEN:])
    return "".join(plots[:PLOTS_OPEN]) + (f"<details><summary>more curves</summary>{rest}</details>" if rest else "")


def table(head, rows):
    """Cells are HTML; the head is text."""
    cells = "".join(f"<th>{html.escape(h)}</th>" for h in head)
    body = "".join("<tr>" + "".join(f"<td>{c}</td>" for c in row) + "</tr>" for row in rows)
    return f'<div class="wide"><table><tr>{cells}</tr>{body}</table></div>'


def number(ns):
    return f"{ns:,.1f}" if ns < 1000 else f"{ns:,.0f}"


def rows_table(rows):
    flaws = [flaw for flaw in ("dirty", "refused") if any(row.get(flaw) for row in rows)]
    return table(["ns", "samples", "p50", "p99", "p99.9", "tm", "ratio", *flaws], [
        [html.escape(r["row"]), f'{r["samples"]:,}', *(number(r[k]) for k in ("p50", "p99", "p999", "tm")),
         f'{r["ratio"]:,.2f}' if r["ratio"] > 0 else "–", *(f"{r[flaw]:,}" for flaw in flaws)] for r in rows])


def cells_table(figures):
    """A line per figure and a column per column, in the order in which they were first said."""
    columns = list(dict.fromkeys(f["column"] for f in figures))
    values = {(f["figure"], f["column"]): f for f in figures}
    units = {f["unit"] for f in figures}
    head = [units.pop() if len(units) == 1 else "", *columns]
    return table(head, [[html.escape(name), *(f'{values[name, c]["value"]:,.2f}' if (name, c) in values else "–" for c in columns)]
                        for name in dict.fromkeys(f["figure"] for f in figures)])


def section_of(found, section):
    rows, figures, notes = ([said for said in found[place] if said.get("section") == section]
                            for place in ("rows", "figures", "notes"))
    parts = [f"<h2>{html.escape(section)}</h2>"]
    if rows:
        parts += [curves(rows), rows_table(rows)]
    if cells := [f for f in figures if "column" in f]:
        parts.append(cells_table(cells))
    if plain := [f for f in figures if "column" not in f]:
        parts.append(table(["", "value"], [[html.escape(f["figure"]), f'{f["value"]:,.2f} {html.escape(f["unit"])}'] for f in plain]))
    parts += [f'<p class="soft">{html.escape(note["note"])}</p>' for note in notes]
    return "".join(parts)


def page(found):
    about = "".join(f"<dt>{name}</dt><dd>{html.escape(found[key])}</dd>" for name, key in (
        ("machine", "machine"), ("commit", "commit"), ("command", "command"), ("measured", "measured")))
    gates = [[html.escape(g["gate"]), html.escape(g["reason"]) if g["value"] is None else f'{g["value"]:.2f}',
              f'{RELATIONS[g["relation"]]} {g["limit"]:g} {html.escape(g["unit"])}' if g["relation"] else "",
              '<span class="pass">PASS</span>' if g["passed"] else '<span class="fail">FAIL</span>'] for g in found["gates"]]
    return "\n".join([
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">',
        f"<title>DeltaDyno Telemetry: benchmarks</title><style>{STYLE}</style><h1>Benchmarks</h1><dl>{about}</dl>",
        '<p class="soft">Nanoseconds, less what an empty timing pair takes. tm: mean of the fastest 99 %. Ratio: to the row at '
        "1.00, the median over rounds in which both were measured. Dirty: blocks from which the scheduler took a CPU, kept after "
        "some tries. Curves: how many percent of the calls took no longer.</p>",
        "<h2>Gates</h2>" + table(["", "found", "limit", ""], gates) if gates else "",
        *(section_of(found, section) for section in found["sections"])])


def main():
    lines, directory, commit, *command = sys.argv[1:]
    found = collect(Path(lines).read_text(encoding="utf-8").splitlines())
    found["commit"] = commit
    found["command"] = command[0] if command else "./scripts/bench"
    found["measured"] = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(Path(lines).stat().st_mtime))
    Path(directory, "bench.json").write_text(json.dumps(found, indent=1), encoding="utf-8")
    Path(directory, "bench.html").write_text(page(found), encoding="utf-8")


if __name__ == "__main__":
    main()
