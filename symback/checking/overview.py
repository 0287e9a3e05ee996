"""One page for a folder of submissions: a table, alike mistakes together, all of them side by side.

Here one can write it as one self-contained HTML file, KaTeX and its fonts inside: `page`.  What is
said of each line is said as on the page of one report, and a file that could not be checked has its
place too.  The words are those of ``templates/check.toml``, the layout is
``templates/check_folder.html``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from symback.checking import report as showing
from symback.checking.grading import Row, Triage
from symback.checking.report import LineReport, Report, Verdict
from symback.language.files import template_dir
from symback.language.layout import environment, katex

MOST_ALIKE = 100
"""So many different wrong lines are shown of one mistake."""


def page(
    checked: Sequence[tuple[Row, Report | None]],
    title: str,
    subtitle: str = "",
    *,
    points: bool = False,
) -> str:
    """The page of the submissions that were ``checked``, in their order.

    ``title`` and ``subtitle`` are words of a user, e.g. the names of the folder and of the network.
    """
    words = showing.wording()
    reports = [report for _, report in checked if report is not None]
    goals = next((report.goals for report in reports if report.goals), ())
    groups = list(_groups(checked, words))
    found = Counter(row.triage for row, _ in checked)
    return (
        environment()
        .get_template("check_folder.html")
        .render(
            words=words,
            title=showing.clean(title),
            subtitle=showing.clean(subtitle),
            counts=[(each.value, found[each.value]) for each in Triage],
            goal_names=[showing.raised(showing.clean(goal.name)) for goal in goals],
            points=points,
            submissions=[_submission(row, report, len(goals)) for row, report in checked],
            groups=groups,
            grouped={group["name"] for group in groups},
            notes_html=_bound(reports),
            css=(template_dir() / "check.css").read_text("utf-8"),
            **katex(),
        )
    )


def _bound(reports: Sequence[Report]) -> list[str]:
    """How sure a proof is, where there is one: the last note of a report."""
    for report in reports:
        if any(line.verdict is Verdict.PROVED for line in report.lines):
            return showing.facts(report)["notes_html"][-1:]
    return []


def _submission(row: Row, report: Report | None, goals: int) -> Mapping[str, Any]:
    """One submission for the template; what ends in ``_html`` is escaped already."""
    if report is None:
        return {
            "name": showing.clean(row.file), "triage": row.triage, "rows": [], "points": "",
            "said": showing.clean(row.message), "answers": [""] * goals, "not_judged": "",
            "mistakes": [], "convention_html": "",
        }  # fmt: skip
    facts = showing.facts(report)
    answers = [goal.answer.value for goal in report.goals] or [""] * goals
    return {
        "name": showing.clean(row.file),
        "triage": row.triage,
        "said": report.summary,
        "answers": answers,
        "points": f"{row.points} of {row.of}",
        "not_judged": row.not_judged.replace(";", ", "),
        "mistakes": row.mistakes.split(";") if row.mistakes else [],
        "convention_html": facts["convention_html"],
        "rows": facts["rows"],
    }


def _groups(
    checked: Sequence[tuple[Row, Report | None]], words: Mapping[str, Mapping[str, str]]
) -> Iterator[Mapping[str, Any]]:
    """Wrong lines by the name of their mistake, the most frequent first.

    Lines that read alike stand together, each once, with all places where it is written.
    """
    groups: dict[str, dict[str, list[tuple[int, str, LineReport]]]] = {}
    for number, (row, report) in enumerate(checked, start=1):
        for line in () if report is None else report.claims:
            if line.verdict is Verdict.REFUTED and line.diagnosis:
                alike = groups.setdefault(line.diagnosis[0].name, {})
                same = alike.setdefault(line.read_as or line.source, [])
                same.append((number, row.file, line))
    table = words["table"]

    def files(alike: Mapping[str, Sequence[tuple[int, str, LineReport]]]) -> int:
        return len({file for same in alike.values() for _, file, _ in same})

    for name, alike in sorted(groups.items(), key=lambda item: (-files(item[1]), item[0])):
        count = files(alike)
        by_many = sorted(alike.values(), key=lambda same: -len(same))
        yield {
            "name": name,
            "many": table["one" if count == 1 else "many"].format(count=count),
            "lines": [
                {
                    "places": [
                        (number, showing.clean(file), table["line"].format(line=line.line))
                        for number, file, line in same
                    ],
                    "row": showing.row_facts(same[0][2], [same[0][2]]),
                }
                for same in by_many[:MOST_ALIKE]
            ],
        }
