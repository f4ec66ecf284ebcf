#!/usr/bin/env python3
"""Values that the statistics in C++ must reproduce, from SciPy (statsmodels cross-checks where it is importable).

    stats_reference.py > tests/results/stats_reference.json
    stats_reference.py --check tests/results/stats_reference.json     exit 1 when the file is stale, 3 without SciPy

Every case is {"function", "input", "output"}; tests/results/stats_test.cpp knows the functions by name.
"""
import itertools
import json
import math
import sys

try:
    import numpy as np
    from scipy import optimize, stats
except ImportError:
    print("this Python has no SciPy", file=sys.stderr)
    sys.exit(3)

CASES = []


def case(function, output, **given):
    CASES.append({"function": function, "input": given, "output": output})


def samples(seed, *sizes, scale=1.0, decimals=3):
    rng = np.random.default_rng(seed)
    return [[round(float(x), decimals) for x in rng.normal(0.5, scale, n)] for n in sizes]


def aggregates():
    for seed, n in ((1, 1), (2, 4), (3, 7), (4, 30)):
        (x,) = samples(seed, n)
        case("median", float(np.median(x)), x=x)
        case("mad", float(stats.median_abs_deviation(x)), x=x)
        case("iqm", float(stats.trim_mean(x, 0.25)), x=x)
        for q in (0.0, 0.025, 0.4, 0.99, 1.0):
            case("quantile", float(np.quantile(x, q)), x=x, q=q)
    a, b = samples(5, 6, 9, decimals=1)
    u = stats.mannwhitneyu(a, b).statistic  # ties count one half
    case("probability_of_improvement", float(u) / (len(a) * len(b)), a=a, b=b)
    # By enumeration: the mean over all N^k draws of their maximum.
    (x,) = samples(6, 5)
    for k in (1, 2, 4):
        case("expected_best_of", float(np.mean([max(d) for d in itertools.product(x, repeat=k)])), x=x, k=k)


def two_sided(values, observed):
    values = np.asarray(values)
    return float(np.mean(np.abs(values) >= abs(observed) - 1e-12))


def permutations():
    a, b = samples(11, 4, 5)
    result = stats.permutation_test((a, b), lambda x, y: np.mean(x) - np.mean(y), n_resamples=np.inf)
    # SciPy doubles the smaller tail; the tail of |T| is counted here, so enumerate.
    pooled = a + b
    contrasts = []
    for chosen in itertools.combinations(range(9), 4):
        x = [pooled[i] for i in chosen]
        y = [pooled[i] for i in range(9) if i not in chosen]
        contrasts.append(np.mean(x) - np.mean(y))
    assert len(result.null_distribution) == len(contrasts)
    case("permutation", two_sided(contrasts, result.statistic), a=[a], b=[b])
    a1, b1, a2, b2 = samples(12, 3, 3, 2, 4)
    per_stratum = []
    for x, y in ((a1, b1), (a2, b2)):
        pooled, n = x + y, len(x)
        per_stratum.append([
            np.mean([pooled[i] for i in c]) - np.mean([pooled[i] for i in range(len(pooled)) if i not in c])
            for c in itertools.combinations(range(len(pooled)), n)])
    null = [(s + t) / 2 for s in per_stratum[0] for t in per_stratum[1]]
    observed = ((np.mean(a1) - np.mean(b1)) + (np.mean(a2) - np.mean(b2))) / 2
    case("permutation", two_sided(null, observed), a=[a1, a2], b=[b1, b2])
    d1, d2 = samples(13, 5, 3)
    null = [(np.dot(s[:5], d1) / 5 + np.dot(s[5:], d2) / 3) / 2 for s in itertools.product((-1, 1), repeat=8)]
    case("paired_permutation", two_sided(null, (np.mean(d1) + np.mean(d2)) / 2), differences=[d1, d2])
    (d,) = samples(14, 10)
    result = stats.permutation_test((d,), np.mean, permutation_type="samples", n_resamples=np.inf)
    case("paired_permutation", float(result.pvalue), differences=[d])


def student():
    a, b = samples(21, 5, 7)
    result = stats.ttest_ind(a, b)
    interval = result.confidence_interval()
    case("pooled_difference", {"p": float(result.pvalue), "df": float(result.df), "low": float(interval.low),
                               "high": float(interval.high)}, a=[a], b=[b])
    # Two strata: a linear model with one mean per stratum and arm.
    a1, b1, a2, b2 = samples(22, 3, 4, 5, 3)
    groups = [a1, b1, a2, b2]
    df = sum(len(g) - 1 for g in groups)
    variance = sum((len(g) - 1) * np.var(g, ddof=1) for g in groups) / df
    effect = (np.mean(a1) - np.mean(b1) + np.mean(a2) - np.mean(b2)) / 2
    se = math.sqrt(variance * sum(1 / len(g) for g in groups)) / 2
    half = stats.t.ppf(0.975, df) * se
    case("pooled_difference", {"p": float(2 * stats.t.sf(abs(effect) / se, df)), "df": df, "low": float(effect - half),
                               "high": float(effect + half)}, a=[a1, a2], b=[b1, b2])
    result = stats.ttest_1samp(a, 0)
    interval = result.confidence_interval()
    case("paired_difference", {"p": float(result.pvalue), "df": float(result.df), "low": float(interval.low),
                               "high": float(interval.high)}, differences=[a])
    for margin in (0.3, 1.5):
        lower = stats.ttest_1samp(a, -margin, alternative="greater").pvalue
        upper = stats.ttest_1samp(a, margin, alternative="less").pvalue
        case("equivalence", float(max(lower, upper)), differences=[a], margin=margin)
    for future in (1, 5, 500):
        half = stats.t.ppf(0.975, 4) * np.std(a, ddof=1) * math.sqrt(1 / 5 + 1 / future)
        case("prediction_interval", [float(np.mean(a) - half), float(np.mean(a) + half)], x=a, future=future)


def power_of_t(effect, se, df, alpha):
    critical = stats.t.ppf(1 - alpha / 2, df)
    return float(stats.nct.sf(critical, df, effect / se) + stats.nct.cdf(-critical, df, effect / se))


def power():
    for effect, se, df in ((0.0, 1.0, 4), (0.03, 0.016, 24), (2.0, 1.0, 2), (3.0, 1.0, 30)):
        case("power_of_t_test", power_of_t(effect, se, df, 0.05), effect=effect, standard_error=se, df=df)
    for df, wanted in ((4, 0.8), (18, 0.8), (100, 0.9)):
        root = optimize.brentq(lambda x: power_of_t(x, 1, df, 0.05) - wanted, 0.01, 8, xtol=1e-12)
        case("minimum_detectable_effect", float(root), df=df, power=wanted)
    for effect, sd in ((0.5, 1.0), (1.0, 1.0), (0.2, 1.0)):
        n = next(n for n in range(2, 10000) if power_of_t(effect, sd * math.sqrt(2 / n), 2 * n - 2, 0.05) >= 0.8)
        case("runs_needed", n, effect=effect, sd=sd, is_paired=False)
        try:
            from statsmodels.stats.power import TTestIndPower
            assert n == math.ceil(TTestIndPower().solve_power(effect / sd, alpha=0.05, power=0.8))
        except ImportError:
            pass


def proportions():
    for k, n in ((0, 10), (10, 10), (35, 50), (482, 500), (1, 3)):
        interval = stats.binomtest(k, n).proportion_ci(method="wilson")
        case("wilson", [float(interval.low), float(interval.high)], successes=k, trials=n)
    # Newcombe's own examples: 56/70 against 48/80 gives 0.0524 to 0.3339 (method 10).
    for k1, n1, k2, n2 in ((56, 70, 48, 80), (9, 10, 3, 10), (10, 10, 0, 20), (500, 500, 485, 500)):
        first = stats.binomtest(k1, n1).proportion_ci(method="wilson")
        second = stats.binomtest(k2, n2).proportion_ci(method="wilson")
        p1, p2 = k1 / n1, k2 / n2
        low = p1 - p2 - math.hypot(p1 - first.low, second.high - p2)
        high = p1 - p2 + math.hypot(first.high - p1, p2 - second.low)
        if (k1, n1) == (56, 70):
            assert (round(low, 4), round(high, 4)) == (0.0524, 0.3339)
        try:
            from statsmodels.stats.proportion import confint_proportions_2indep
            theirs = confint_proportions_2indep(k1, n1, k2, n2, method="newcomb")
            assert np.allclose(theirs, (low, high), atol=1e-9), (theirs, low, high)
        except ImportError:
            pass
        case("newcombe", [float(low), float(high)], a=[k1, n1], b=[k2, n2])
    for b, c in ((0, 0), (1, 9), (5, 5), (30, 12)):
        p = float(stats.binomtest(b, b + c).pvalue) if b + c else 1.0
        case("mcnemar", p, only_a=b, only_b=c)
        try:
            from statsmodels.stats.contingency_tables import mcnemar
            if b + c:
                assert abs(mcnemar([[7, b], [c, 3]], exact=True).pvalue - p) < 1e-12
        except ImportError:
            pass


def ranks():
    for seed, m, n in ((31, 3, 3), (32, 9, 9), (33, 5, 12), (34, 40, 50)):
        a, b = samples(seed, m, n, decimals=6)
        b = [x + 0.3 for x in b]
        case("mann_whitney", float(stats.mannwhitneyu(a, b, method="exact").pvalue), a=a, b=b)
    a, b = samples(35, 80, 90, decimals=6)
    case("mann_whitney", float(stats.mannwhitneyu(a, b, method="asymptotic").pvalue), a=a, b=b)


def survival():
    rng = np.random.default_rng(41)
    arms = []
    for n, rate in ((12, 30.0), (15, 55.0)):
        times = np.ceil(rng.exponential(rate, n))
        arms.append([[float(min(t, 60.0)), bool(t <= 60)] for t in times])
    curves = []
    for arm in arms:
        data = stats.CensoredData(uncensored=[t for t, hit in arm if hit], right=[t for t, hit in arm if not hit])
        survival_function = stats.ecdf(data).sf
        curve = [[float(t), float(p)] for t, p in zip(survival_function.quantiles, survival_function.probabilities)
                 if any(hit and time == t for time, hit in arm)]
        case("kaplan_meier", curve, runs=arm)
        # Greenwood's error from the width of SciPy's linear interval.
        interval = survival_function.confidence_interval(0.95, method="linear")
        for t, p, high in zip(survival_function.quantiles, survival_function.probabilities,
                              interval.high.probabilities):
            if any(hit and time == t for time, hit in arm) and 0.2 < p < 0.8:
                case("greenwood", float((high - p) / stats.norm.ppf(0.975)), runs=arm, time=float(t))
                break
        curves.append(data)
    case("log_rank", float(stats.logrank(*curves).pvalue), a=arms[0], b=arms[1])
    try:
        from lifelines import KaplanMeierFitter
        from lifelines.utils import restricted_mean_survival_time
        for arm in arms:
            fitted = KaplanMeierFitter().fit([t for t, _ in arm], [hit for _, hit in arm])
            own = restricted_mean(arm, 60.0)
            assert abs(restricted_mean_survival_time(fitted, t=60.0) - own) < 1e-9
    except ImportError:
        pass
    for arm in arms:
        case("restricted_mean", restricted_mean(arm, 60.0), runs=arm, horizon=60.0)


def restricted_mean(arm, horizon):
    """The integral by its definition, on the grid of whole numbers that the times lie on."""
    def share(t):
        s = 1.0
        for u in sorted({time for time, hit in arm if hit and time <= t}):
            s *= 1 - sum(time == u and hit for time, hit in arm) / sum(time >= u for time, _ in arm)
        return s
    return float(sum(share(t) for t in range(int(horizon))))


def many_tests():
    for p in ([0.01, 0.02, 0.03, 0.04, 0.05], [0.9, 0.001, 0.2, 0.2, 0.04, 1.0], [0.3]):
        case("benjamini_hochberg", [float(x) for x in stats.false_discovery_control(p)], p=p)


for make in (aggregates, permutations, student, power, proportions, ranks, survival, many_tests):
    make()


def close(a, b):
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(close(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(close(x, y) for x, y in zip(a, b))
    if isinstance(a, (int, float)) and not isinstance(a, bool):
        return math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12)
    return a == b


if len(sys.argv) == 3 and sys.argv[1] == "--check":
    with open(sys.argv[2]) as file:
        stored = json.load(file)
    stale = [c["function"] for c, s in itertools.zip_longest(CASES, stored, fillvalue={"function": "missing"})
             if not close(c, s)]
    if stale:
        print("stale: " + ", ".join(sorted(set(stale))))
        sys.exit(1)
    print(f"{len(stored)} cases agree with SciPy")
else:
    print("[\n" + ",\n".join(json.dumps(c) for c in CASES) + "\n]")
