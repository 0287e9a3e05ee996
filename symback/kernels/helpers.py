"""Functions that a kernel's source brings along, each only where its lines call it.

They are text, in NumPy's words, because the source has to run where there is no symback.
"""

from __future__ import annotations

__all__ = ["ARRAY_HELPERS", "SCALAR_HELPERS", "imports_of"]

ARRAY_HELPERS = {
    "softmax": '''
def _softmax(a):
    """e^{a_k} / Σ_j e^{a_j} in each row, and what its derivatives are computed from.

    Returns p; a - max a; where the (first) largest stands; Σ e^{a_j - max a} over all others.
    Nothing overflows, as no exponent is above 0, and 1 - p is never taken where p is near 1.
    """
    largest = a.max(axis=1, keepdims=True)
    shifted = a - largest
    top = np.arange(a.shape[1]) == a.argmax(axis=1)[:, None]
    e = np.exp(shifted)
    # What the subtraction rounded off (Knuth's two-sum) would cost e^-700 its last 9 bits.
    back = shifted - a
    e += e * ((a - (shifted - back)) - (largest + back))
    others = np.where(top, 0, e).sum(axis=1, keepdims=True)
    return e / (1 + others), shifted, top, others
''',
    "erfc": '''
_erfc_of_one = np.vectorize(math.erfc, otypes=[float])


def _erfc(z):
    """1 - erf(z), entry by entry: NumPy has none, and 1 - erf(z) is 0 from z = 6 on."""
    return _erfc_of_one(z).astype(z.dtype)
''',
    "erf": '''
_erf_of_one = np.vectorize(math.erf, otypes=[float])


def _erf(z):
    """The error function, entry by entry: NumPy has none."""
    return _erf_of_one(z).astype(z.dtype)
''',
    "coarse": '''
def _coarse(z):
    """z rounded to sixteenths: its square is exact, and e^{-z²/2} = e^{-r²/2} e^{-(z-r)(z+r)/2}."""
    return np.round(16 * z) / 16
''',
    "nonzero": '''
def _nonzero(u):
    """u, or 1e-18 where it is smaller: there u / log(1 + u) is 1 to the last digit."""
    return np.maximum(u, 1e-18)
''',
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


def imports_of(names: object) -> list[str]:
    """What the helpers called ``names`` import besides NumPy."""
    return ["import math"] if {*names} & {"erf", "erfc"} else []
