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
    """In each row e_k = e^{a_k - max a}; Σ_{j≠k} e_j; a_k - max a; and Σ_j e_j - 1, where 1 is
    the largest e.  Nothing is taken from 1, so all are right where one p is 1 to the last digit.
    """
    a = a.T.copy()  # samples side by side: NumPy is faster along them than along a short row
    largest = np.maximum.reduce(a)
    shifted = a - largest
    e = np.exp(shifted)
    # What the subtraction rounded off (Knuth's two-sum): without it e^-700 lacks its last 9 bits.
    back = shifted - a
    a -= shifted - back
    back += largest
    a -= back
    a *= e
    e += a
    others = _others(e.T)
    return e.T, others, shifted.T, np.minimum.reduce(others.T)[:, None]
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
        return np.dot(_all_but_own(v.shape[1], v.dtype), v.T).T
    largest = $np.arange(v.shape[1]) == v.argmax(axis=1)[:, None]
    rest = $np.where(largest, 0, v).sum(axis=1, keepdims=True)
    return $np.where(largest, rest, rest + (v.$max(axis=1, keepdims=True) - v))
''',
    "less_winner": '''
def _less_winner(g, p):
    """g less its entry at the row's largest p: p (g - Σ p g) is the same, and keeps its digits."""
    return g - $np.$take(g, p.argmax(axis=1)[:, None], axis=1)
''',
    "normal": '''
_ROOT = math.sqrt(2)
_FIRST, _REST = 1.4142135619185865, 4.5450855626323658e-10  # √2 is its first 32 bits and the rest
_erfc = np.vectorize(math.erfc, otypes=[float])  # entry by entry: NumPy has none


def _normal(z):
    """Φ(z) = erfc(u)/2 with u = -z/√2; what the division rounds off is 800 eps of it at -37."""
    exact = np.clip(z, -60, 60).astype(float)
    u = exact / -_ROOT
    coarse = np.round(16 * u) / 16  # its product with _FIRST is exact
    lacking = (-exact - _FIRST * coarse) - _FIRST * (u - coarse) - _REST * u
    half = _erfc(u) / 2 - np.exp(-u * u) * lacking / math.sqrt(2 * math.pi)
    return half.astype(z.dtype)
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
    "near": '''
def _near(z):
    """z, at most 60 in size: beyond, e^{-z²/2} is less than any number, and its parts are not."""
    return $np.clip(z, -60, 60)
''',
    "capped": '''
def _capped(u, out=None):
    """u, at most where 1/e^u is the smallest normal number, so that e^u is finite."""
    if u.size < 4096:
        return np.minimum(u, _MOST[u.dtype], out=out)
    return u.clip(-math.inf, _MOST[u.dtype], out=out)  # slow to begin, and then twice as fast


_MOST = {np.dtype(t): np.array(-math.log(np.finfo(t).tiny), t) for t in (np.float64, np.float32)}
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

_SOFTMAX = '''
def _softmax(a):
    """In each row e_k = e^{a_k - max a}; Σ_{j≠k} e_j; a_k - max a; and Σ_j e_j - 1, where 1 is
    the largest e.  Nothing is taken from 1, so all are right where one p is 1 to the last digit.
    """
    largest = a.$max(axis=1, keepdims=True)
    shifted = a - largest
    e = $np.exp(shifted)
    # What the subtraction rounded off (Knuth's two-sum): without it e^-700 lacks its last 9 bits.
    back = shifted - a
    e += e * ((a - (shifted - back)) - (largest + back))
    others = _others(e)
    return e, others, shifted, others.$min(axis=1, keepdims=True)
'''

_CAPPED = '''
def _capped(u):
    """u, at most where 1/e^u is the smallest normal number, so that e^u is finite."""
    return $np.minimum(u, -$np.log($np.finfo(u.dtype).tiny))
'''

_COMMON = {"erf": "", "normal": "", "others": _OTHERS, "softmax": _SOFTMAX, "capped": _CAPPED}

OTHER_HELPERS = {
    "jax": _COMMON,
    "torch": _COMMON
    | {
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
    "normal_of_one": '''
def _normal_of_one(z):
    """The same as _normal of an array."""
    u = -z / _ROOT
    if not -60 < z < 60:
        return math.erfc(u) / 2
    coarse = round(16 * u) / 16
    lacking = (-z - _FIRST * coarse) - _FIRST * (u - coarse) - _REST * u
    return math.erfc(u) / 2 - math.exp(-u * u) * lacking / math.sqrt(2 * math.pi)
''',
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
    "near": '''
def _near(z):
    """z, at most 60 in size: beyond, e^{-z²/2} is less than any number, and its parts are not."""
    return max(-60.0, min(z, 60.0))
''',
    "nonzero": '''
def _nonzero(u):
    """u, or 1e-18 where it is smaller: there u / log(1 + u) is 1 to the last digit."""
    return max(u, 1e-18)
''',
}
