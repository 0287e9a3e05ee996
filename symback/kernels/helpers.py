"""Functions that a kernel's source brings along, each only where its lines call it.

They are text, because the source has to run where there is no symback, with an engine's words as
`symback.kernels.spelling.Spelling.write` fills them in; `OTHER_HELPERS` are those that another
engine than NumPy needs otherwise.
"""

from __future__ import annotations

__all__ = ["ARRAY_HELPERS", "NEEDS", "OTHER_HELPERS", "SCALAR_HELPERS"]

NEEDS = {"softmax": "others"}
"""A helper that calls another one."""

ARRAY_HELPERS = {
    "softmax": '''
def _softmax(a):
    """p_k = e^{a_k} / Σ_j e^{a_j} in each row; 1 - p_k; log p_k but for the row's log_total.

    1 - p is the sum of the others' p, and so right where p is 1 to the last digit.
    """
    largest = a.$max(axis=1, keepdims=True)
    shifted = a - largest
    e = $np.exp(shifted)
    # What the subtraction rounded off (Knuth's two-sum): without it e^-700 lacks its last 9 bits.
    back = shifted - a
    e += e * ((a - (shifted - back)) - (largest + back))
    others = _others(e)
    total = e + others
    return e / total, others / total, shifted, $np.log1p(others.$min(axis=1, keepdims=True))
''',
    "others": '''
@functools.cache
def _all_but_own(n, dtype):
    return 1 - $np.eye(n, dtype=dtype)


def _others(v):
    """Σ_{j≠k} v_j for each k of each row, where no v is negative; nothing is subtracted.

    In long rows the own v is subtracted after all, but not the largest, which is left out.
    """
    if v.shape[1] <= 64:
        return v @ _all_but_own(v.shape[1], v.dtype)
    largest = $np.arange(v.shape[1]) == v.argmax(axis=1)[:, None]
    rest = $np.where(largest, 0, v).sum(axis=1, keepdims=True)
    return $np.where(largest, rest, rest + (v.$max(axis=1, keepdims=True) - v))
''',
    "less_winner": '''
def _less_winner(g, p):
    """g less its entry at the row's largest p: p (g - Σ p g) is the same, and keeps its digits."""
    return g - $np.$take(g, p.argmax(axis=1)[:, None], axis=1)
''',
    "erfc": '''
_erfc_of_one = $np.vectorize(math.erfc, otypes=[float])


def _erfc(z):
    """1 - erf(z), entry by entry: NumPy has none, and 1 - erf(z) is 0 from z = 6 on."""
    return _erfc_of_one(z).astype(z.dtype)
''',
    "erf": '''
_erf_of_one = $np.vectorize(math.erf, otypes=[float])


def _erf(z):
    """The error function, entry by entry: NumPy has none."""
    return _erf_of_one(z).astype(z.dtype)
''',
    "coarse": '''
def _coarse(z):
    """z rounded to sixteenths: its square is exact, and e^{-z²/2} = e^{-r²/2} e^{-(z-r)(z+r)/2}."""
    return $np.round(16 * z) / 16
''',
    "capped": '''
def _capped(u):
    """u, at most where 1/e^u is the smallest normal number, so that e^u is finite."""
    return $np.minimum(u, -$np.log($np.finfo(u.dtype).tiny))
''',
    "nonzero": '''
def _nonzero(u):
    """u, or 1e-18 where it is smaller: there u / log(1 + u) is 1 to the last digit."""
    return $np.maximum(u, 1e-18)
''',
}

# No product with 1 1ᵀ - I: on some devices products have fewer digits.
_OTHERS = '''
def _others(v):
    """Σ_{j≠k} v_j for each k of each row, where no v is negative.

    The own v is subtracted from their sum, but not the largest, which is left out.
    """
    largest = $np.arange(v.shape[1]$where) == v.argmax(axis=1)[:, None]
    rest = $np.where(largest, 0, v).sum(axis=1, keepdims=True)
    return $np.where(largest, rest, rest + (v.$max(axis=1, keepdims=True) - v))
'''

_OWN_ERF = {"erf": "", "erfc": ""}

OTHER_HELPERS = {
    "jax": _OWN_ERF | {"others": _OTHERS},
    "torch": _OWN_ERF
    | {
        "others": _OTHERS,
        "capped": '''
def _capped(u):
    """u, at most where 1/e^u is the smallest normal number, so that e^u is finite."""
    return torch.clamp(u, max=-math.log(torch.finfo(u.dtype).tiny))
''',
        "nonzero": '''
def _nonzero(u):
    """u, or 1e-18 where it is smaller: there u / log(1 + u) is 1 to the last digit."""
    return torch.clamp(u, min=1e-18)
''',
    },
}

SCALAR_HELPERS = {
    "sign": '''
def _sign(u):
    """1, -1 or 0."""
    return (u > 0) - (u < 0)
''',
    "coarse": '''
def _coarse(z):
    """z rounded to sixteenths: its square is exact, and e^{-z²/2} = e^{-r²/2} e^{-(z-r)(z+r)/2}."""
    return round(16 * z) / 16
''',
    "nonzero": '''
def _nonzero(u):
    """u, or 1e-18 where it is smaller: there u / log(1 + u) is 1 to the last digit."""
    return max(u, 1e-18)
''',
}
