"""A report as its reader sees it: nothing hostile reaches terminal or browser, nothing leaks."""

from __future__ import annotations

import io
import json
import re
import tomllib
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

import symback as sb
from symback.checking import report as showing
from symback.checking.report import Answer, Diagnosis, Goal, LineReport, Report, Verdict, Witness
from symback.language.files import template_dir
from typesetting import (
    ROOT,
    browser_console,
    browser_dom,
    katex_errors,
    needs_browser,
    outside_addresses,
)

CHAIN = r"\frac{\partial L}{\partial w_{212}} = \frac{\partial L}{\partial a_{21}} h_{12}"
WRONG = LineReport(
    4,
    3,
    r"&= -2(y_1-\hat y_1)\, \hat y_1(1-\hat y_1)\, h_{12} \\",
    "= -2·(y_1 - ŷ_1)·ŷ_1·(1 - ŷ_1)·h_12",
    Verdict.REFUTED,
    "not equal to what the line begins with",
    (
        Diagnosis(
            "missing-path",
            "1 of 2 paths; missing w_212 → a_21 → ŷ_2 → L",
            "-2·ŷ_1·ŷ_2·((y_1 - ŷ_1) - (y_2 - ŷ_2))·h_12",
        ),
    ),
    Witness({"ŷ_1": "0.25", "h_12": "0.5"}, "-0.0595", "-0.021"),
)
REPORT = Report(
    Verdict.REFUTED,
    (
        LineReport(1, 1, "Softmax couples the outputs, so:", "", Verdict.TEXT),
        LineReport(3, 1, CHAIN, "∂L/∂w_212 = ∂L/∂a_21·h_12", Verdict.PROVED),
        WRONG,
        LineReport(5, 1, "= 2 w", "= 2·w", Verdict.FOLLOWS, "follows from the error in line 4"),
        LineReport(11, 14, r"\delta_{12} = \left( x", "", Verdict.UNREAD, "write δ_{1,2}"),
    ),
    "2^-160",
    ("Σy = 1 is used",),
)
TEXT = """\
✗ wrong at line 4; 1 of 4 formulas was not judged

   1  Softmax couples the outputs, so:
✓  3  \\frac{\\partial L}{\\partial w_{212}} = \\frac{\\partial L}{\\partial a_{21}} h_{12}
      read as      ∂L/∂w_212 = ∂L/∂a_21·h_12
✗  4  &= -2(y_1-\\hat y_1)\\, \\hat y_1(1-\\hat y_1)\\, h_{12} \\\\
      read as      = -2·(y_1 - ŷ_1)·ŷ_1·(1 - ŷ_1)·h_12
      wrong        not equal to what the line begins with
      mistake      missing-path: 1 of 2 paths; missing w_212 → a_21 → ŷ_2 → L
      right        -2·ŷ_1·ŷ_2·((y_1 - ŷ_1) - (y_2 - ŷ_2))·h_12
      for example  ŷ_1 = 0.25, h_12 = 0.5: it should be -0.0595, it is -0.021
↳  5  = 2 w
      read as      = 2·w
                   follows from the error in line 4
? 11  \\delta_{12} = \\left( x
      not read     column 14: write δ_{1,2}

Σy = 1 is used
A line marked right is proved by random evaluation, which errs with a chance below 2^-160.
"""

# What a submission may hold to hurt its reader.
HOSTILE = (
    "\x1b[2J\x1b]0;title\x07 = 1",
    "w = 1 \u202e drow \u2066 \u200b \ufeff",
    "<script>alert(1)</script> = <img src=x onerror=alert(1)>",
    '"><a href="http://example.org">w</a>',
    r"\href{javascript:alert(1)}{w_{212}} = 1",
    r"\url{http://example.org} = w_{1}",
    r"\includegraphics{http://example.org/x.png} = w_{1}",
    r"\htmlStyle{position:fixed;inset:0}{w_{212}} = 1",
    r"\htmlData{x=y}{w_{212}}",
    r"\def\a{\a\a}\a w_{1}",
    r"\rule{900em}{900em} = w_{1}",
    r"\frac{" * 3000,
    "</code></div></main><style>*{display:none}</style>",
    "<!-- = ]]> -->",
    "\ud800 lone \x00 null \x85 next",
)


def hostile(verdict: Verdict = Verdict.REFUTED) -> Report:
    """A report in which every string is hostile."""
    lines = tuple(
        LineReport(
            number,
            1,
            text,
            text,
            verdict,
            text,
            (Diagnosis(text, text, text),),
            Witness({text: text}, text, text),
            text,
        )
        for number, text in enumerate(HOSTILE, start=1)
    )
    return Report(verdict, lines, "2^-160", HOSTILE)


class Terminal(io.StringIO):
    """A stream that says it is a terminal, in some encoding."""

    def __init__(self, encoding: str = "utf-8", *, is_terminal: bool = True) -> None:
        super().__init__()
        self._encoding, self._is_terminal = encoding, is_terminal

    @property
    def encoding(self) -> str:
        return self._encoding

    def isatty(self) -> bool:
        return self._is_terminal


# ---------------------------------------------------------------------------------------- as text


def test_the_text_of_a_report():
    """A mark, the line, how it was read; where it is wrong the mistake, the right side, numbers."""
    assert showing.text(REPORT) + "\n" == TEXT
    assert str(REPORT) + "\n" == TEXT


def test_how_a_page_was_read_is_said_first():
    """In text, on the page, in a notebook and as data, before the verdict; nothing where empty."""
    said = "read in Nielsen's letters, because lines 1-4 hold so"
    report = replace(REPORT, convention=said)
    assert str(report) == f"{said}\n\n{REPORT}"
    assert next(iter(report.as_data().items())) == ("convention", said)
    for made in (showing.page(report), showing.fragment(report)):
        assert made.index("letters, because") < made.index("wrong at line 4")
    assert 'class="convention"' not in showing.page(REPORT)
    assert report.for_exam().convention == said


@pytest.mark.parametrize(
    ("lines", "verdict", "summary"),
    [
        ((), Verdict.NO_CLAIM, "no claim was found"),
        ((Verdict.TEXT,), Verdict.NO_CLAIM, "no claim was found"),
        ((Verdict.UNREAD,), Verdict.UNREAD, "its one formula could not be judged"),
        ((Verdict.UNREAD, Verdict.UNDECIDED), Verdict.UNREAD, "none of 2 formulas could be judged"),
        (
            (Verdict.UNREAD, Verdict.PROVED),
            Verdict.UNREAD,
            "1 of 2 formulas was not judged; right as far as read",
        ),
        (
            (Verdict.UNREAD, Verdict.UNDECIDED, Verdict.CONDITIONAL, Verdict.TEXT),
            Verdict.UNREAD,
            "2 of 3 formulas were not judged; right as far as read",
        ),
        ((Verdict.PROVED,), Verdict.PROVED, "right"),
        ((Verdict.REFUTED, Verdict.REFUTED), Verdict.REFUTED, "wrong at line 1"),
        (
            (Verdict.PROVED, Verdict.REFUTED, Verdict.UNREAD),
            Verdict.REFUTED,
            "wrong at line 2; 1 of 3 formulas was not judged",
        ),
        ((Verdict.CONDITIONAL,), Verdict.CONDITIONAL, "right under a condition"),
        ((Verdict.UNDECIDED,), Verdict.UNDECIDED, "its one formula could not be judged"),
    ],
)
def test_the_first_line_sums_up(lines, verdict, summary):
    """What is said of the whole says no more than what is said of the lines."""
    made = tuple(LineReport(n, 1, "w", "", found) for n, found in enumerate(lines, start=1))
    report = Report(verdict, made, "2^-160")
    assert str(report).splitlines()[0][2:] == summary == report.summary


def test_a_page_that_was_not_read_at_all_is_not_one_formula():
    """Where the budget is gone before a line is read, the page is what could not be read."""
    nothing = LineReport(1, 1, "", "", Verdict.UNREAD, "nothing is read: the budget is used up")
    report = Report(Verdict.UNREAD, (nothing,), "2^-160")
    assert report.summary == "the page could not be read"


def test_the_bound_is_named_only_where_something_is_proved():
    """No proof, no word on how sure proofs are."""
    assert "2^-160" in str(REPORT)
    unread = Report(Verdict.UNREAD, (LineReport(1, 1, "?", "", Verdict.UNREAD),), "2^-160")
    assert "2^-160" not in str(unread)


def test_every_verdict_has_its_mark_and_words():
    """No verdict is shown without a mark, in either alphabet, and no two marks are the same."""
    words = tomllib.loads((template_dir() / "check.toml").read_text("utf-8"))
    for table in ("mark", "mark_in_ascii", "word", "head", "page"):
        assert {verdict.value for verdict in Verdict} <= set(words[table]), table
    for table in ("mark", "mark_in_ascii"):
        assert len(set(words[table].values())) == len(Verdict)
        assert {len(mark) for mark in words[table].values()} == {1}
    assert "".join(words["mark_in_ascii"].values()).isascii()


@pytest.mark.parametrize("width", [40, 60, 100])
def test_no_line_is_wider_than_the_terminal(width):
    """Long lines are wrapped under themselves, whatever they are made of."""
    long = LineReport(7, 1, "w" * 500, "a + " * 90, Verdict.REFUTED, "why " * 60)
    report = Report(Verdict.REFUTED, (*REPORT.lines, long), "2^-160", ("note " * 50,))
    shown = showing.text(report, showing.Style(width))
    assert max(map(len, shown.splitlines())) <= width
    assert shown.replace("\n", "").replace(" ", "").count("w" * 500) == 1


@given(st.text(), st.sampled_from(Verdict))
def test_nothing_that_steers_a_terminal_reaches_it(text, verdict):
    """Every character of a report prints, whatever a student wrote."""
    line = LineReport(1, 1, text, text, verdict, text, (Diagnosis(text, text, text),))
    shown = str(Report(verdict, (line,), "2^-160", (text,)))
    assert [c for c in shown if not c.isprintable() and c != "\n"] == []


@pytest.mark.parametrize("verdict", list(Verdict))
def test_hostile_text_is_shown_as_text(verdict):
    """Escape sequences, direction marks, null characters come out as escapes."""
    shown = showing.text(hostile(verdict), showing.Style(is_coloured=True))
    assert [c for c in showing.text(hostile(verdict)) if not c.isprintable() and c != "\n"] == []
    assert "\x1b" not in re.sub(r"\x1b\[[\d;]*m", "", shown)
    assert r"\x1b[2J" in shown


def test_a_long_line_is_cut():
    """One line of a file does not fill the screen a thousand times."""
    line = LineReport(1, 1, "w" * 200_000, "", Verdict.UNREAD)
    assert len(str(Report(Verdict.UNREAD, (line,), "2^-160"))) < 3000


# ------------------------------------------------------------------------------------- a terminal


@pytest.mark.parametrize(
    ("stream", "environ", "coloured"),
    [
        (Terminal(), {}, True),
        (Terminal(), {"NO_COLOR": "1"}, False),
        (Terminal(), {"NO_COLOR": ""}, True),
        (Terminal(), {"TERM": "dumb"}, False),
        (Terminal(is_terminal=False), {}, False),
    ],
)
def test_colours_only_on_a_terminal_that_wants_them(stream, environ, coloured):
    """NO_COLOR, a dumb terminal, a pipe: no colour; and colours change nothing else."""
    style = showing.Style.of(stream, environ)
    shown = showing.text(REPORT, style)
    assert ("\x1b[" in shown) is coloured
    plain = re.sub(r"\x1b\[[\d;]*m", "", shown)
    assert plain == showing.text(REPORT, showing.Style(style.width))


@pytest.mark.parametrize(
    ("encoding", "is_ascii"),
    [("utf-8", False), ("ascii", True), ("latin-1", True), ("cp1252", True), ("no-such", True)],
)
def test_marks_that_the_encoding_cannot_show_are_ascii(encoding, is_ascii):
    """Where ✓ and ✗ cannot be shown, + and x stand for them."""
    style = showing.Style.of(Terminal(encoding, is_terminal=False), {})
    assert style.is_ascii is is_ascii
    assert showing.text(REPORT, style).startswith("x" if is_ascii else "✗")


def test_a_file_has_a_width_of_its_own(monkeypatch):
    """What is written to a file does not depend on the terminal; a terminal has at least 40."""
    monkeypatch.setenv("COLUMNS", "10")
    assert showing.Style.of(Terminal(is_terminal=False), {}).width == showing.WIDTH
    assert showing.Style.of(Terminal(), {}).width == showing.NARROWEST


# ----------------------------------------------------------------------------------------- as data


def test_the_json_is_that_of_the_contract():
    """The keys of `--json`, in order, at every level."""
    data = json.loads(json.dumps(REPORT.as_data()))
    assert [*data][:5] == ["convention", "verdict", "first_wrong", "bound", "lines"]
    assert (data["verdict"], data["first_wrong"], data["bound"]) == ("refuted", 4, "2^-160")
    line = data["lines"][2]
    assert [*line] == [
        "line",
        "column",
        "source",
        "read_as",
        "verdict",
        "reason",
        "diagnosis",
        "witness",
        "correct",
        "correct_latex",
        "span",
        "points",
    ]
    after = ["notes", "summary", "judged", "not_judged", "goals", "points"]
    assert [*data][5:] == after
    assert (data["judged"], data["not_judged"]) == (3, 1)
    assert data["points"] == {"given": 2, "of": 3, "look_yourself": 1}
    assert [each["points"] for each in data["lines"]] == [None, 1, 0, 1, None]
    assert [*line["diagnosis"][0]] == ["name", "detail", "correct"]
    assert line["witness"] == {
        "values": {"ŷ_1": "0.25", "h_12": "0.5"},
        "left": "-0.0595",
        "right": "-0.021",
    }
    assert data["lines"][1]["witness"] is None


# -------------------------------------------------------------------------------------- examination

SECRET = "the-answer"


def told(verdict: Verdict) -> Report:
    """A report in which whatever symback says is a secret."""
    line = LineReport(
        2,
        5,
        "what the student wrote",
        "how it was read",
        verdict,
        SECRET,
        (Diagnosis(SECRET, SECRET, SECRET),),
        Witness({SECRET: SECRET}, SECRET, SECRET),
        SECRET,
        SECRET,
        (0, 4),
    )
    goals = (Goal("w_212", Answer.PARTLY, 2, SECRET),)
    return Report(verdict, (line,), "2^-160", (SECRET,), goals=goals)


@pytest.mark.parametrize("verdict", [each for each in Verdict if each is not Verdict.NO_CLAIM])
def test_an_examination_learns_nothing_but_right_or_wrong(verdict):
    """In no form does anything that symback says of a line, or of a page, get through."""
    report = told(verdict)
    exam = report.for_exam()
    forms = (
        str(exam),
        showing.marks(exam),
        json.dumps(exam.as_data()),
        showing.page(exam),
        showing.fragment(exam),
        repr(exam),
    )
    assert [form for form in forms if SECRET in form] == []
    if verdict is not Verdict.TEXT:
        assert [form for form in forms if "how it was read" not in form] == []
    assert exam.lines[0].span is None
    assert exam.points == report.points
    assert SECRET in str(report)
    assert bool(exam) is bool(report)
    assert exam.first_wrong == report.first_wrong or verdict is Verdict.FOLLOWS
    assert {line.verdict for line in exam.lines} <= {
        Verdict.PROVED,
        Verdict.REFUTED,
        Verdict.UNDECIDED,
        Verdict.UNREAD,
        Verdict.TEXT,
    }


def test_the_marks_of_an_examination():
    """A line, a word and how it was read; a column for what was not; never the source."""
    exam = REPORT.for_exam()
    assert showing.marks(exam).splitlines() == [
        "line 3: right",
        "    read as ∂L/∂w_212 = ∂L/∂a_21·h_12",
        "line 4: wrong",
        "    read as = -2·(y_1 - ŷ_1)·ŷ_1·(1 - ŷ_1)·h_12",
        "line 5: wrong",
        "    read as = 2·w",
        "line 11: not read, column 14",
    ]
    rows = [row for row in showing.marks(exam, points=True).splitlines() if "read as" not in row]
    assert rows == [
        "2 of 3 points; look yourself at line 11",
        "line 3: right, 1 of 1 point",
        "line 4: wrong, 0 of 1 point",
        "line 5: wrong, 1 of 1 point",
        "line 11: not read, column 14",
    ]
    assert showing.marks(Report(Verdict.UNREAD, (), "2^-160")) == "no claim was found"


# ------------------------------------------------------------------------------------------ as HTML


class Tags(HTMLParser):
    """The tags of a page, and the text outside scripts and styles."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.words = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data):
        if not self.tags or self.tags[-1] not in ("script", "style"):
            self.words += data


@pytest.mark.parametrize("form", [showing.page, showing.fragment])
def test_what_a_student_wrote_is_no_html(form):
    """Tags, attributes and comments in a submission, or in its name, stay words."""
    known = Tags(form(REPORT))
    found = Tags(form(hostile()))
    assert set(found.tags) <= set(known.tags)
    assert found.attributes <= known.attributes
    assert "<img src=x onerror=alert(1)>" in found.words
    assert found.tags.count("script") == known.tags.count("script")


def test_the_names_of_files_are_words_too():
    """A file may be called anything."""
    made = showing.page(REPORT, "<script>alert(1)</script>", "</p><img src=x>")
    assert Tags(made).tags.count("script") == 2
    assert "img" not in Tags(made).tags


@pytest.mark.parametrize("form", [showing.page, showing.fragment])
def test_a_page_needs_nothing_from_outside(form):
    """No address in a page or a fragment leads out of it."""
    assert outside_addresses(form(REPORT)) == []
    assert outside_addresses(form(hostile())) == []


@pytest.mark.parametrize("form", [showing.page, showing.fragment])
def test_what_the_text_says_the_page_says(form):
    """Number, reason, mistake, right side, counterexample: none is lost on the page."""
    words = "".join(Tags(form(REPORT)).words.split())
    for part in (
        "wrong at line 4; 1 of 4 formulas was not judged",
        "not equal to what the line begins with",
        "missing-path",
        "1 of 2 paths; missing w212 → a21 → ŷ2 → L",
        "−2·ŷ1·ŷ2·((y1 − ŷ1) − (y2 − ŷ2))·h12",
        "ŷ1 = 0.25, h12 = 0.5: it should be −0.0595, it is −0.021",
        "follows from the error in line 4",
        "column 14: write δ_{1,2}",
        "Σy = 1 is used",
    ):
        assert "".join(part.split()) in words, part


def test_a_notebook_sets_no_formula_of_a_student():
    """In a fragment every word of a report stands in code, where a notebook looks for no $."""
    html = showing.fragment(hostile())
    outside = re.sub(r"(?s)<code>.*?</code>|<b>.*?</b>|<[^<>]*>", "", html)
    assert not set("$\\") & set(outside)
    assert "<script" not in html


def test_a_report_shows_itself_in_a_notebook():
    """A report has the hook that notebooks ask for."""
    assert REPORT._repr_html_() == showing.fragment(REPORT)


@pytest.mark.parametrize(
    ("typed", "formula"),
    [
        (r"&= \hat y_1 \\", r"= \hat y_1"),
        (r"$\hat y_1 = 2$", r"\hat y_1 = 2"),
        (r"\[ \hat y_1 = 2 \]", r"\hat y_1 = 2"),
        (
            r"\begin{align*}\hat y_1 &= 2 \\ &= 3\end{align*}",
            r"\begin{aligned}\hat y_1 &= 2 \\ &= 3\end{aligned}",
        ),
        (r"\hat y_1 = 2 \tag{3} \label{e}", r"\hat y_1 = 2"),
        ("∂L/∂w_212 = (ŷ_1 - y_1) h_12", ""),
        ("dW2 = delta2 @ h1.T", ""),
        ("w_{212} = 1", "w_{212} = 1"),
    ],
)
def test_what_of_a_line_is_a_formula(typed, formula):
    """LaTeX is set without what stands around it; other lines stand as they were typed."""
    assert showing.formula(typed).strip() == formula


def test_the_wrong_side_is_marked():
    """In colours, under it where other sides stand in the line, and on the page."""
    source = r"\frac{\partial L}{\partial w} = a_{1} h = \left( a_{2} \right) h = a_{3}"
    start = source.index(r"\left(")
    side = slice(start, source.index(" = a_{3}"))
    line = LineReport(1, 1, source, "", Verdict.REFUTED, span=(side.start, side.stop))
    report = Report(Verdict.REFUTED, (line,), "2^-160")
    rows = str(report).splitlines()
    assert rows[3] == " " * rows[2].index(r"\left(") + "~" * len(source[side])
    coloured = showing.text(report, showing.Style(is_coloured=True))
    assert f"\x1b[1;31m{source[side]}\x1b[0m" in coloured
    marked = re.findall(r"<mark>.*?</mark>", showing.page(report))
    assert len(marked) == 1
    assert f">{source[side]}</span>" in marked[0]
    alone = replace(line, source="w = 2", span=(4, 5))
    assert "~" not in str(Report(Verdict.REFUTED, (alone,), "2^-160"))


def test_words_are_kept_whole():
    """A paragraph is one row with its formulas, and a line keeps the words around its claim."""
    lines = (
        LineReport(1, 1, "So", "", Verdict.TEXT),
        LineReport(1, 4, "h_{1} = 2", "h_1 = 2", Verdict.PROVED),
        LineReport(1, 15, ", which", "", Verdict.TEXT),
        LineReport(2, 1, "is easy.", "", Verdict.TEXT),
        LineReport(4, 6, "w = 3", "w = 3", Verdict.PROVED),
    )
    typed = "So $h_{1} = 2$, which\nis easy.\n\nThus w = 3, as we know.\n"
    report = Report(Verdict.PROVED, lines, "2^-160", typed=typed)
    shown = [row.strip() for row in str(report).splitlines()]
    assert shown[2] == "1  So h_{1} = 2, which is easy."
    assert shown[3] == "✓ 1  h_{1} = 2"
    assert "✓ 4  Thus w = 3, as we know." in shown
    two = (
        LineReport(1, 1, "a = 1", "a = 1", Verdict.PROVED),
        LineReport(1, 11, "b = 2", "b = 2", Verdict.PROVED),
    )
    both = replace(report, lines=two, typed="Here a = 1, and thus b = 2\n")
    assert [row.strip() for row in str(both).splitlines()][2:5] == [
        "1  Here a = 1, and thus b = 2",
        "✓ 1  a = 1",
        "✓ 1  b = 2",
    ]
    words = " ".join("".join(Tags(showing.page(report)).words).split())
    assert "So h_{1} = 2, which is easy." in words


def test_rounding_does_not_look_like_a_mistake():
    """What is right from rounded numbers is right, and nothing is named or mended."""
    found = Diagnosis("rounding", "rounded numbers were carried along", "0.138")
    line = LineReport(1, 1, "w = 0.14", "", Verdict.CONDITIONAL, "right from the rounded", (found,))
    report = Report(Verdict.CONDITIONAL, (line,), "2^-160")
    assert report.summary == "right"
    for shown in (str(report), "".join(Tags(showing.page(report)).words)):
        assert "rounded numbers were carried" not in shown
        assert "mistake" not in shown
    assert report.as_data()["lines"][0]["diagnosis"] == [found.as_data()]


def test_the_right_side_is_typeset():
    """KaTeX is given LaTeX for it; where it fails, the text in letters stays."""
    net = sb.load(ROOT / "examples" / "s4.toml")
    report = sb.check("∂L/∂w_212 = ∂L/∂a_21 · h_11", net)
    (line,) = report.lines
    assert line.correct_latex.startswith(r"-2 \, \hat{y}_{1}")
    assert katex_errors([line.correct_latex]) == []
    assert line.correct_latex.replace("&", "&amp;") in showing.page(report)


@needs_browser
def test_a_browser_sets_the_lines_and_is_not_harmed(tmp_path):
    """Right lines are typeset; hostile ones stand as typed; nothing is said on the console."""
    both = Report(Verdict.REFUTED, (*REPORT.lines, *hostile().lines), "2^-160")
    path = tmp_path / "page.html"
    path.write_text(showing.page(both, "page.tex"), "utf-8")
    assert browser_console(path) == []
    dom = Tags(browser_dom(path))
    assert "img" not in dom.tags
    assert "a" not in dom.tags
    shown = browser_dom(path)
    assert shown.count('class="katex-display"') >= 2
    assert 'data-typeset="done"' in shown
    for typed in (r"\href{javascript:alert(1)}{w_{212}} = 1", r"\def\a{\a\a}\a w_{1}"):
        assert f"<code>{typed}</code>" in shown
