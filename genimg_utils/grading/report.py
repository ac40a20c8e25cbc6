"""What teacher and student read: a page of feedback, a table of marks, a summary of the class."""

import csv
import io
from collections import Counter
from collections.abc import Mapping
from html import escape
from statistics import mean, median
from typing import Any

Report = dict[str, Any]

PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{title}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; color: #222; }}
table {{ border-collapse: collapse; width: 100%; }}
td, th {{ text-align: left; vertical-align: top; padding: .35rem .6rem; }}
tr {{ border-bottom: 1px solid #ddd; }} .n {{ text-align: right; white-space: nowrap; }} small {{ color: #555; }}
.bar {{ background: #0072B2; height: .8rem; }} pre {{ white-space: pre-wrap; background: #f5f5f5; padding: .6rem; }}
</style>
<h1>{title}</h1>
{body}
</html>
"""


def page(title: str, *parts: str) -> str:
    return PAGE.format(title=escape(title), body="\n".join(parts))


def rows(*lines: tuple[Any, ...], head: tuple[str, ...] = ()) -> str:
    """A table; a cell that is a tuple is a text and the small print below it, a number stands to the right."""

    def cell(value: Any) -> str:
        if isinstance(value, tuple):
            return f"<td>{escape(value[0])}{f'<br><small>{escape(value[1])}</small>' if value[1] else ''}</td>"
        return f'<td class="n">{value}</td>' if isinstance(value, int | float) else f"<td>{escape(str(value))}</td>"

    top = "".join(f"<th>{escape(word)}</th>" for word in head)
    body = "".join(f"<tr>{''.join(map(cell, line))}</tr>" for line in lines)
    return f"<table>{f'<tr>{top}</tr>' if top else ''}{body}</table>"


def feedback(report: Report, name: str = "") -> str:
    """What one student gets: marks and a sentence for each part, cells that failed, and what is still to be read."""
    parts = [
        (part["mark"], (part["title"], part["name"]), f"{part['marks']}\xa0of\xa0{part['of']}",
         (part["text"][:1].upper() + part["text"][1:], f"Read {part['read']}." if part["read"] else ""))
        for part in report["parts"]
    ]  # fmt: skip
    failed = [f"<li>Cell {escape(n)}: {escape(text)}</li>" for n, text in report["cells"].items()]
    why = "<h2>Cells that failed</h2><p>Nothing in them below the line that failed was run.</p>"
    title = f"{report['assignment']}: {report['marks']} of {report['of']} marks" + (f" · {name}" if name else "")
    return page(
        title,
        f"<p>{report['by_hand']} more marks, for the answer in words, are given by a reader.</p>",
        f"<p><b>Note: {escape(report['problem'])}</b></p>" if report["problem"] else "",
        rows(*parts, head=("", "part", "marks", "")),
        f"{why}<ul>{''.join(failed)}</ul>" if failed else "",
    )


def table(reports: Mapping[str, Report]) -> str:
    """Marks as CSV: a line a student, a column a part."""
    names = [part["name"] for part in next(iter(reports.values()))["parts"]] if reports else []
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["student", "marks", "of", *names, "hand-out", "problem"])
    for student, report in reports.items():
        marks = [part["marks"] for part in report["parts"]]
        writer.writerow(
            [harmless(student), report["marks"], report["of"], *marks, report["handout"], harmless(report["problem"])]
        )
    return text.getvalue()


def harmless(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def summary(reports: Mapping[str, Report]) -> str:
    """What the teacher sees: how the marks spread, each part's mean, and what was misunderstood most often."""
    if not reports:
        return page("No submissions", "<p>There was nothing to grade.</p>")
    first = next(iter(reports.values()))
    marks = [report["marks"] for report in reports.values()]
    title = f"{first['assignment']}: {len(reports)} submissions, mean {mean(marks):.1f} of {first['of']}"
    bins = Counter(min(10 * m // max(first["of"], 1), 9) for m in marks)
    most = max(bins.values())
    spread = "".join(
        f'<tr><td class="n">{10 * b}–{10 * b + 10} %</td><td class="n">{bins[b]}</td>'
        f'<td style="width: 80%"><div class="bar" style="width: {100 * bins[b] / most:.0f}%"></div></td></tr>'
        for b in range(10)
    )
    problems = [(name, report["problem"]) for name, report in reports.items() if report["problem"]]
    parts = [
        _part(part["title"], [report["parts"][i] for report in reports.values()])
        for i, part in enumerate(first["parts"])
    ]
    told = Counter((p["name"], p["text"]) for r in reports.values() for p in r["parts"] if p["known"])
    common = [(n, name, text) for (name, text), n in told.most_common(15)]
    return page(
        title,
        f"<p>Median {median(marks):g}. Answers in words are not in these marks.</p><table>{spread}</table>",
        "<h2>Parts</h2>", rows(*parts, head=("part", "mean", "right", "blank")),
        "<h2>What was misunderstood</h2>", rows(*common, head=("times", "part", "what the student was told")),
        *(["<h2>To look at</h2>", rows(*problems)] if problems else []),
    )  # fmt: skip


def _part(title: str, every: list[Report]) -> tuple[Any, ...]:
    right, blank = (sum(part["mark"] == mark for part in every) for mark in "✓○")
    return title, f"{mean(part['marks'] for part in every):.1f} of {every[0]['of']}", right, blank
