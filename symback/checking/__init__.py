"""Check a derivation that a person wrote: which line is wrong, and why.

>>> import symback as sb
>>> net = sb.Network(2, [(3, "sigmoid"), (2, "softmax")], loss="cross_entropy")
>>> report = check("∂L/∂w_212 = (y_1 - ŷ_1)·h_12", net)
>>> report.first_wrong, report.lines[0].diagnosis[0].name
(1, 'sign-flipped')

`check` (`verdicts`) goes through these rooms:

* reading: `tokens`, `naming` (names of several letters), `letters` (what they mean in a network),
  `lemmas` (lines about any number), `parsing`, `statements` and `page`, which gives claims;
  `guessing` finds what the page's equations say of its names; `symback.language.echo` writes what
  was read canonically;
* judging: `verdicts`, line by line, with the page's own names read in order and lines that say
  nothing passed over (`claims`), on the exact comparison of `judge`, which evaluates trees
  (`evaluation`, `equations`) in the arithmetics of the engine and in every cell of their conditions
  (`cells`); then the conventions under which a page is right;
* diagnosing: `mistakes` is the table of all that may go wrong, `diagnosis` finds which of them a
  line holds, with the right side (`correct`, `conversion`);
* reporting: `goals`, what of the derivatives that were asked for is answered; `report`; `grading`
  for folders and autograders, `overview` for the page of a folder;
* arrays of a backward pass: `arrays`, with `array_search` and `array_rounding`;
* networks of equations in index notation: `system_pages`, which takes a page to `system_programs`
  (NumPy, read by `system_code`) or `system_formulas`, and `system_arrays`; all evaluate by
  `system_values` and name mistakes by the rows of `system_mistakes`.
"""

from __future__ import annotations

from symback.checking.pipeline import check
from symback.checking.report import Diagnosis, LineReport, Report, Verdict, Witness

__all__ = ["Diagnosis", "LineReport", "Report", "Verdict", "Witness", "check"]
