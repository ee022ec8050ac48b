"""The statistics on fixed data: against scipy and scikit-learn, and against published values."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tests.monitoring.worker import PYTHON, Worker

pytestmark = pytest.mark.skipif(
    not PYTHON.exists(), reason="the stand-in for AWS's containers is not set up: make setup"
)

_COLUMNS = """
import numpy as np, pyarrow as pa
from scipy import stats
from scipy.spatial.distance import jensenshannon
from analysis import change, dependence, distances
from analysis.settings import Settings
from analysis.sketch import Column, Numbers

def columns(old, new):
    before = Column("x", Settings())
    before.add(pa.array(old))
    now = Column("x", Settings(), known=before)
    now.add(pa.array(new))
    return before, now

rng = np.random.default_rng(4)
"""


def _pairs(worker: Worker, code: str) -> list[Any]:
    """Ours and theirs, by name."""
    found: list[Any] = worker.evaluate(_COLUMNS + code)
    return found


def test_tails_are_those_of_scipy(worker: Worker) -> None:
    for name, ours, theirs in _pairs(
        worker,
        """
answer = [
    [f"pearson3 {z} {skew}", change._pearson3(z, skew), float(stats.pearson3.sf(z, skew))]
    for z in (-3.0, -0.5, 0.0, 0.2, 2.0, 4.0, 6.0)
    for skew in (-1.0, -0.3, -0.01, 0.001, 0.2, 1.5)
]
answer += [
    [f"hypergeometric {each}", change._hypergeometric(*each),
     float(stats.hypergeom.sf(each[0] - 1, each[1], each[2], each[3]))]
    for each in ((30, 10_000, 200, 1000), (25, 10_000, 200, 1000), (200, 10_000, 200, 1000),
                 (60_200, 1_100_000, 66_000, 1_000_000), (3, 10, 5, 4))
]
# Two categories are exact; of many rows more have the distribution of the textbook.
table = np.array([[90, 10], [80, 30]], dtype=float)
answer += [["two categories", change._chi_square(table),
            2 * float(stats.fisher_exact(table, alternative="greater")[1])]]
table = np.array([[5e7, 3e7, 2e7], [5.0008e6, 2.994e6, 2.0052e6]])
answer += [["chi-square", change._chi_square(table),
            float(stats.chi2_contingency(table, correction=False)[1])]]
""",
    ):
        assert ours == pytest.approx(theirs, rel=1e-5, abs=1e-9), name
    # At most the mean is no finding at all, whatever the exact probability.
    assert worker.evaluate(_COLUMNS + "answer = change._hypergeometric(20, 10_000, 200, 1000)") == 1


def test_exceedance_is_that_of_counting(worker: Worker) -> None:
    """Of all places of the largest ``k`` among ``m + n`` values, those among the ``n`` new ones."""
    cases = [(1, 10, 5), (2, 10, 5), (3, 1000, 200), (5, 100_000, 2_000)]
    found = _pairs(worker, f"answer = [change._exceedance(*each) for each in {cases}]")
    for ours, (count, reference, current) in zip(found, cases, strict=True):
        exact = math.comb(current, count) / math.comb(reference + current, count)
        assert ours == pytest.approx(exact, rel=1e-6)


def test_categories_that_chance_makes_new(worker: Worker) -> None:
    """A bound of the share of shuffles that leave so many rows with names of their own."""
    for ours, share in _pairs(
        worker,
        """
answer = []
for sizes, current in (([1] * 40 + [2] * 10 + [5] * 6, 30), ([3] * 12 + [60], 48), ([8] * 6, 24)):
    rows = np.repeat(np.arange(len(sizes)), sizes)
    seen = []
    for _ in range(1000):
        old = rng.permutation(rows)[current:]
        counts = np.bincount(old, minlength=len(sizes))
        seen.append(sum(size for size, n in zip(sizes, counts) if n == 0))
    count = int(np.quantile(seen, 0.99)) + 1
    ours = change._only_new(count, sizes, len(rows) - current, current)
    answer.append([ours, float(np.mean(np.array(seen) >= count))])
""",
    ):
        assert share <= ours <= 0.2


def test_drift_of_rare_categories_is_that_of_permutations(worker: Worker) -> None:
    """No matter which of them a small reference happens to have."""
    shares = _pairs(
        worker,
        """
shares = np.cumsum(np.arange(1, 401) ** -1.5)
names = pa.array([f"n{place}" for place in range(400)])
found = []
for _ in range(100):
    drawn = np.searchsorted(shares, shares[-1] * rng.random((2, 800)))
    before, now = columns(*(names.take(pa.array(rows)) for rows in drawn))
    found.append([change.category_drift(before, now).p_value,
                  change.unseen_categories(before, now).p_value])
answer = (np.array(found) <= 0.05).mean(axis=0).tolist() + [float(np.mean(found, axis=0)[0])]
""",
    )
    # Of 100 with a chance of 5 % each, 13 or more come once in a thousand times.
    assert shares[0] <= 0.12
    assert shares[1] <= 0.12
    assert 0.4 <= shares[2] <= 0.6


def test_drift_of_numbers(worker: Worker) -> None:
    """Whole numbers near the centre have bins of their own: here nothing is rounded."""
    gap, theirs, p_value, mann_whitney, ours = _pairs(
        worker,
        """
old, new = rng.poisson(20, 3000), rng.poisson(21, 400)
before, now = columns(old, new)
found = change.numeric_drift(before, now)
test = stats.ks_2samp(old, new, method="asymp") if hasattr(stats, "ks_2samp") else None
_, table = change._aligned(before.numbers.histogram(), now.numbers.histogram())
ranks = np.cumsum(table.sum(axis=0)) - table.sum(axis=0) / 2
ours = change._scores_test(table, ranks)
theirs = stats.mannwhitneyu(old, new, use_continuity=False, alternative="two-sided",
                            method="asymptotic")
answer = [found.effect, float(test.statistic), found.p_value, float(theirs.pvalue), ours]
""",
    )
    assert gap == pytest.approx(theirs)
    # With ranks for scores it is the test of Wilcoxon, Mann and Whitney.
    assert ours == pytest.approx(mann_whitney, rel=0.02)
    assert p_value < 1e-3


def test_drift_test_is_that_of_permutations(worker: Worker) -> None:
    """Normal scores of skewed data with ties: the share of shuffles that go as far."""
    for ours, share in _pairs(
        worker,
        """
answer = []
old, new = np.floor(rng.exponential(3, 400)), np.floor(rng.exponential(3.6, 60))
before, now = columns(old, new)
_, table = change._aligned(before.numbers.histogram(), now.numbers.histogram())
pooled = table.sum(axis=0)
normal = stats.norm.ppf((np.cumsum(pooled) - pooled / 2) / pooled.sum())
for scores in (normal, normal**2):
    of_all = np.repeat(scores, pooled.astype(int))
    seen = (table[1] * scores).sum()
    sums = np.array([rng.permutation(of_all)[:60].sum() for _ in range(2000)])
    share = 2 * min((sums <= seen).mean(), (sums >= seen).mean())
    answer.append([change._scores_test(table, scores), share])
""",
    ):
        assert ours == pytest.approx(share, abs=0.03)


def test_distances(worker: Worker) -> None:
    found = _pairs(
        worker,
        """
old, new = rng.poisson(20, 5000).astype(float), rng.poisson(22, 900).astype(float)
before, now = columns(old, new)
numbers = change.numeric_drift(before, now).distances
before, now = columns(list("a" * 60 + "b" * 30 + "c" * 10), list("a" * 50 + "b" * 30 + "c" * 20))
texts = change.category_drift(before, now).distances
answer = [
    [numbers["wasserstein"], stats.wasserstein_distance(old, new) / old.std()],
    [texts["jensen_shannon"], jensenshannon([0.6, 0.3, 0.1], [0.5, 0.3, 0.2], base=2)],
    [texts["psi"], -0.1 * np.log(5 / 6) + 0.1 * np.log(2)],
    [distances.of_categories(np.array([[3.0, 0.0], [0.0, 5.0]]))["jensen_shannon"], 1.0],
]
""",
    )
    for ours, theirs in found:
        assert ours == pytest.approx(theirs, rel=1e-6)


def test_holm_with_weights(worker: Worker) -> None:
    """With equal ones 4 p, 3 p, 2 p, p in the order of p, made ascending."""
    p_values = [0.01, 0.04, 0.03, 0.005]
    found = _pairs(worker, f"answer = change.holm({p_values}, [1.0] * 4)")
    assert found == pytest.approx([0.03, 0.06, 0.06, 0.02])
    # The second has three quarters of the error; once rejected, it leaves them to the first.
    shared = _pairs(worker, "answer = change.holm([0.01, 0.01], [0.25, 0.75])")
    assert shared == pytest.approx([0.01 / 0.75, 0.01 / 0.75])


def test_moments_quantiles_and_correlations(worker: Worker) -> None:
    for name, ours, theirs, close in _pairs(
        worker,
        """
values = np.concatenate([rng.normal(100, 15, 60_000), rng.lognormal(3, 1, 20_000)])
numbers = Numbers(float(np.median(values[:1000])), narrow=True)
for part in np.array_split(values, 37):
    numbers.add(part)
counted = Numbers(numbers.centre, narrow=False)
distinct, counts = np.unique(np.round(values), return_counts=True)
counted.add(distinct, counts)
one, two = rng.normal(size=500), rng.integers(0, 5, 500)
two = two + (one > 0)
codes = np.column_stack([np.unique(each, return_inverse=True)[1] for each in (one, two)])
answer = [
    ["mean", numbers.mean, values.mean(), 1e-9],
    ["deviation", numbers.deviation, values.std(), 1e-9],
    ["mean of counts", counted.mean, np.round(values).mean(), 1e-9],
    ["deviation of counts", counted.deviation, np.round(values).std(), 1e-9],
    ["count", counted.count, len(values), 0],
    ["spearman", dependence._correlations(codes)[0, 1], stats.spearmanr(one, two)[0], 1e-9],
]
# A bin is within one percent of the distance from the centre.
answer += [[f"quantile {q}", numbers.quantile(q) - numbers.centre,
            np.quantile(values, q) - numbers.centre, 0.01] for q in (0.01, 0.1, 0.3, 0.9, 0.99)]
answer = [[name, float(ours), float(theirs), close] for name, ours, theirs, close in answer]
""",
    ):
        assert ours == pytest.approx(theirs, rel=close), name


_BIAS = """
import numpy as np
from scipy.spatial.distance import jensenshannon
from scipy.stats import entropy
from analysis import bias_measures, quality
"""

# Applicants to the six largest departments of Berkeley's graduate school in 1973, admitted and
# rejected, men and women: Bickel, Hammel and O'Connell, Science 187 (1975), as R's UCBAdmissions.
_BERKELEY = {
    "A": ((512, 313), (89, 19)),
    "B": ((353, 207), (17, 8)),
    "C": ((120, 205), (202, 391)),
    "D": ((138, 279), (131, 244)),
    "E": ((53, 138), (94, 299)),
    "F": ((22, 351), (24, 317)),
}


def test_bias_of_berkeleys_admissions(worker: Worker) -> None:
    """More men than women were admitted, but not within the departments: Simpson's paradox."""
    found = worker.evaluate(
        _BIAS
        + f"""
group, admitted, department = [], [], []
for name, sexes in {_BERKELEY!r}.items():
    for woman, (yes, no) in enumerate(sexes):
        group += [bool(woman)] * (yes + no)
        admitted += [True] * yes + [False] * no
        department += [name] * (yes + no)
admitted = np.array(admitted)
measured = bias_measures.measures(np.array(group), admitted, admitted, department, 0.05)
answer = {{name: each["value"] for name, each in measured.items()}}
"""
    )
    men, women = 1198 / 2691, 557 / 1835  # 44.5 % and 30.4 %, as in the paper
    assert found["CI"] == pytest.approx((2691 - 1835) / 4526)
    assert found["DPL"] == found["DPPL"] == pytest.approx(men - women)
    assert found["DI"] == pytest.approx(women / men)
    assert found["AD"] == found["RD"] == found["DAR"] == 0  # the prediction is the label here
    total = sum(sum(map(sum, sexes)) for sexes in _BERKELEY.values())
    conditional = 0.0
    for (yes, no), (women_yes, women_no) in _BERKELEY.values():
        disparity = women_no / (no + women_no) - women_yes / (yes + women_yes)
        conditional += (yes + no + women_yes + women_no) / total * disparity
    assert found["CDDL"] == found["CDDPL"] == pytest.approx(conditional)
    overall = (1835 - 557) / 2771 - 557 / 1755
    assert overall == pytest.approx(0.144, abs=5e-4)
    assert abs(conditional) < 0.15 * overall


def test_divergences_and_differences_of_predictions(worker: Worker) -> None:
    found, kl, js = worker.evaluate(
        _BIAS
        + """
# Group a: 80 people, group d: 50; truth and prediction as (yes yes, yes no, no yes, no no).
cells = {False: (30, 10, 5, 35), True: (8, 12, 4, 26)}
group, truth, said = [], [], []
for member, counts in cells.items():
    for (t, s), n in zip(((1, 1), (1, 0), (0, 1), (0, 0)), counts):
        group += [member] * n
        truth += [bool(t)] * n
        said += [bool(s)] * n
measured = bias_measures.measures(*map(np.array, (group, truth, said)), None, 0.05)
shares = [40 / 80, 40 / 80], [20 / 50, 30 / 50]
answer = [
    {name: each["value"] for name, each in measured.items()},
    float(entropy(*shares)),
    float(jensenshannon(*shares) ** 2),
]
"""
    )
    assert found["KL"] == pytest.approx(kl)
    assert found["JS"] == pytest.approx(js)
    assert found["AD"] == pytest.approx(65 / 80 - 34 / 50)
    assert found["RD"] == pytest.approx(30 / 40 - 8 / 20)
    assert found["DAR"] == pytest.approx(30 / 35 - 8 / 12)
    assert found["DPPL"] == pytest.approx(35 / 80 - 12 / 50)
    assert "CDDL" not in found  # no groups to condition on


@pytest.mark.slow
def test_intervals_of_bias_cover_the_truth(worker: Worker) -> None:
    """Nine in ten of 90 % intervals, of the difference of two known shares."""
    covered = worker.evaluate(
        _BIAS
        + """
rng = np.random.default_rng(6)
answer = 0
for _ in range(150):
    group = rng.random(800) < 0.4
    said = rng.random(800) < np.where(group, 0.3, 0.5)
    found = bias_measures.measures(group, None, said, None, 0.1 * 3)  # three share the rate
    answer += found["DPPL"]["lower"] <= 0.2 <= found["DPPL"]["upper"]
answer = int(answer)
"""
    )
    assert 124 <= covered <= 147  # within three standard errors of 135


def test_errors_of_the_area_under_the_curve(worker: Worker) -> None:
    """Hanley and McNeil (1982), table II: 58 normal and 51 abnormal images, 0.893 ± 0.032."""
    error, ours, theirs = worker.evaluate(
        _BIAS
        + """
from sklearn.metrics import fbeta_score, recall_score
truth = np.array([True] * 51 + [False] * 58)
answer = [quality._auc_error(0.893, truth)]
rng = np.random.default_rng(2)
values = rng.integers(0, 2, (300, 2))
found = quality._binary(values, np.ones(300))
names = "f0_5", "true_negative_rate", "false_positive_rate", "false_negative_rate"
specificity = recall_score(values[:, 0], values[:, 1], pos_label=0)
recall = recall_score(values[:, 0], values[:, 1])
answer += [[found[name] for name in names],
           [fbeta_score(values[:, 0], values[:, 1], beta=0.5), specificity, 1 - specificity,
            1 - recall]]
"""
    )
    assert error == pytest.approx(0.032, abs=6e-4)
    assert ours == pytest.approx(theirs)


def test_correlations_need_a_reference_that_knows_them(worker: Worker) -> None:
    """In a smaller one, values that are common each may never have met."""
    code = """
from analysis.dependence import Dependence
from analysis.sketch import Sample

def sample(count, *, apart):
    kept = Sample(["one", "two"])
    one = rng.random(count) < 0.1
    two = (rng.random(count) < 0.1) & ~(one & apart)
    texts = [["yes" if each else "no" for each in column] for column in (one, two)]
    kept.parts = {name: [pa.array(each)] for name, each in zip(kept.names, texts)}
    kept.seen = count
    return kept, {name: columns(each, each)[0] for name, each in zip(kept.names, texts)}

answer = []
for count in (999, 1000):
    reference, known = sample(count, apart=True)
    now, _ = sample(500, apart=False)
    answer.append(Dependence(known, reference).change(now, 0.05) is None)
"""
    assert worker.evaluate(_COLUMNS + code) == [True, False]
