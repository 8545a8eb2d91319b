"""Each function gives what scipy.stats gives, to the bit where that has one way to compute it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from lth.report.distributions import (
    beta_quantile,
    normal_above,
    normal_quantile,
    sign_test,
    student_above,
    student_quantile,
)

shares = st.floats(1e-9, 1 - 1e-9)
counts = st.integers(1, 300)
values = st.floats(-30, 30)


@given(shares, values, counts, counts)
def test_they_are_those_of_scipy_stats(share: float, value: float, n: int, m: int) -> None:
    assert student_quantile(share, n) == stats.t.ppf(share, n)
    assert student_above(value, n) == stats.t.sf(value, n)
    assert normal_quantile(share) == stats.norm.ppf(share)
    assert normal_above(value) == stats.norm.sf(value)
    assert beta_quantile(share, n, m) == pytest.approx(stats.beta.ppf(share, n, m), rel=1e-12)
    assert sign_test(n - 1, m) == pytest.approx(stats.binomtest(n - 1, n - 1 + m).pvalue)
    assert sign_test(0, 0) == 1.0
