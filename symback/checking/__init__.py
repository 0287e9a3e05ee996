"""Check a derivation that a person wrote: which line is wrong, and why.

>>> import symback as sb
>>> net = sb.Network(2, [(3, "sigmoid"), (2, "softmax")], loss="cross_entropy")
>>> report = check("∂L/∂w_212 = (y_1 - ŷ_1)·h_12", net)
>>> report.first_wrong, report.lines[0].diagnosis[0].name
(1, 'sign-flipped')

`check` reads the page (`symback.checking.pages`, in a notation of `symback.checking.notations`),
judges it line by line (`symback.checking.verdicts`, on the exact comparison of
`symback.checking.exact`), and names the mistakes (`symback.checking.diagnosis`).
"""

from __future__ import annotations

from symback.checking.checker import check
from symback.checking.findings import Diagnosis, LineReport, Verdict, Witness
from symback.checking.report import Report

__all__ = ["Diagnosis", "LineReport", "Report", "Verdict", "Witness", "check"]
