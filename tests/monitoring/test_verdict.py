"""The verdict counts every second of the clock once: good, bad, or missing and therefore bad."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from monitoring.objectives import DOCUMENT, load
from monitoring.verdict import Order, Outcome, Sample, Verdict, judge

START = 1_000_000.0


def scrapes(first: int, last: int, *, bad_between: range = range(0), begin: float = 0) -> list[Sample]:
    """A scrape a second, five ticks between two of them; seconds in ``bad_between`` have five bad ones."""
    found, good, bad = [], begin, 0.0
    for second in range(first, last + 1):
        found.append(Sample(START + second, good, bad, last_good_at=START + second))
        if second in bad_between:
            bad += 5
        else:
            good += 5
    return found


def verdict(samples: Iterable[Sample], *orders: Order, at: float) -> Verdict:
    return judge(load(), samples, orders, now=START + at)


def up(at: float) -> Order:
    return Order(START + at, up=True)


def down(at: float) -> Order:
    return Order(START + at, up=False)


def test_a_healthy_system_is_kept_without_using_any_budget() -> None:
    found = verdict(scrapes(0, 600), up(-1), at=601)
    assert found.outcome is Outcome.KEPT
    assert found.budget_used_s == 0
    assert found.availability == 1
    assert found.account.observed_s == 600


def test_less_than_a_minute_of_samples_is_not_enough_evidence_either_way() -> None:
    assert verdict(scrapes(0, 59, bad_between=range(100)), up(-1), at=60).outcome is Outcome.NOT_ENOUGH_EVIDENCE
    assert verdict(scrapes(0, 60), up(-1), at=61).outcome is Outcome.KEPT
    assert verdict([], at=0).outcome is Outcome.NOT_ENOUGH_EVIDENCE


def test_the_promise_is_broken_when_the_budget_of_the_month_is_gone_and_not_a_second_earlier() -> None:
    kept = verdict(scrapes(0, 1000, bad_between=range(100, 359)), up(-1), at=1001)
    assert kept.budget_used_s == 259
    assert kept.outcome is Outcome.KEPT
    broken = verdict(scrapes(0, 1000, bad_between=range(100, 360)), up(-1), at=1001)
    assert broken.budget_used_s == 260
    assert broken.outcome is Outcome.BROKEN
    assert broken.outcome.exit_code == 1


def test_the_ratio_is_reported_over_the_time_really_observed() -> None:
    found = verdict(scrapes(0, 100, bad_between=range(10, 20)), up(-1), at=101)
    assert found.availability == pytest.approx(0.9)
    assert found.outcome is Outcome.KEPT, "ten seconds are 10 % of these samples and 4 % of the month's budget"


def test_a_probe_that_was_dead_has_missed_its_samples_and_they_count_as_bad() -> None:
    samples = scrapes(0, 100) + scrapes(131, 200)
    found = verdict(samples, up(-1), at=201)
    assert found.account.missing_s == pytest.approx(31)
    assert found.budget_used_s == pytest.approx(31)


def test_silence_since_the_last_sample_counts_as_bad_up_to_now() -> None:
    found = verdict(scrapes(0, 100), up(-1), at=500)
    assert found.account.missing_s == 400
    assert found.outcome is Outcome.BROKEN


def test_a_prometheus_that_was_away_has_missed_nothing_that_the_counters_remember() -> None:
    whole = scrapes(0, 300)
    found = verdict(whole[:100] + whole[200:], up(-1), at=301)
    assert found.budget_used_s == 0


def test_time_after_an_ordered_down_does_not_count_until_the_first_sample_after_the_next_up() -> None:
    samples = scrapes(0, 100) + scrapes(5020, 5120)
    found = verdict(samples, up(-1), down(101), up(5000), at=5121)
    assert found.account.observed_s == 200
    assert found.budget_used_s == 0


def test_a_system_that_died_without_an_order_has_a_clock_that_never_stopped() -> None:
    samples = scrapes(0, 100) + scrapes(1120, 1220)
    found = verdict(samples, up(-1), up(1100), at=1221)
    assert found.account.missing_s == pytest.approx(1020)
    assert found.outcome is Outcome.BROKEN


def test_while_it_is_ordered_down_nothing_more_is_used_up() -> None:
    samples = scrapes(0, 100)
    assert verdict(samples, up(-1), down(101), at=9_000).budget_used_s == 0


def test_samples_before_the_up_and_after_the_down_are_not_looked_at() -> None:
    samples = scrapes(0, 300, bad_between=range(50))
    assert verdict(samples, up(60), down(250), at=400).budget_used_s == 0


def test_without_any_written_order_the_clock_starts_with_the_first_sample() -> None:
    found = verdict(scrapes(0, 100), at=101)
    assert found.account.observed_s == 100
    assert found.since == START


def test_what_is_older_than_the_window_is_forgotten() -> None:
    month = 30 * 86_400
    samples = scrapes(0, 300, bad_between=range(300)) + scrapes(month + 400, month + 500)
    found = verdict(samples, up(-1), down(300), up(month + 390), at=month + 501)
    assert found.budget_used_s == 0
    assert found.outcome is Outcome.KEPT


def test_counters_that_begin_again_are_added_and_never_subtracted() -> None:
    samples = scrapes(0, 100) + scrapes(101, 200, begin=5)
    assert verdict(samples, up(-1), at=201).budget_used_s == 0


def test_the_longest_gap_is_found_inside_a_probe_across_its_restarts_and_in_its_silence() -> None:
    inside = [*scrapes(0, 99), Sample(START + 100, 500, 0, longest_gap_s=7.5, last_good_at=START + 100)]
    assert verdict(inside, up(-1), at=101).account.longest_gap_s == 7.5
    across = scrapes(0, 100) + scrapes(131, 200)
    assert verdict(across, up(-1), at=201).account.longest_gap_s == 31
    assert verdict(scrapes(0, 100), up(-1), at=150).account.longest_gap_s == 50


def test_samples_in_any_order_give_the_same_verdict() -> None:
    samples = scrapes(0, 200, bad_between=range(20, 30))
    assert verdict(reversed(samples), up(-1), at=201) == verdict(samples, up(-1), at=201)


def test_machines_read_the_same_numbers() -> None:
    found = verdict(scrapes(0, 100, bad_between=range(10, 20)), up(-1), at=101).as_json()
    assert found["verdict"] == "kept"
    assert found["budget_s"] == 259.2
    assert found["budget_used_s"] == 10
    assert found["budget_left_s"] == 249.2
    assert found["availability"] == 0.9


@pytest.mark.parametrize("wrong", [lambda s: s.replace("30d", "4w"), lambda s: s.replace("0.9999", "1.2")])
def test_an_objective_that_cannot_be_kept_account_of_is_refused(
    wrong: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    document = tmp_path_factory.mktemp("slo") / "slo.yaml"
    document.write_text(wrong(DOCUMENT.read_text("utf-8")), "utf-8")
    with pytest.raises(ValueError, match=r"slo\.yaml"):
        load(document)


def test_the_budget_of_the_month_is_259_seconds_and_two_tenths() -> None:
    assert load().budget_s == 259.2
    assert load().allowed == 0.0001
