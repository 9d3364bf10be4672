"""Who may wait, by a clock of the test."""

import math

from lindyn_service.engine.admission import SHORT, UNREAD_SECONDS, AdmissionQueue

WORKERS, LONGEST, LASTING = 2, 64, 2.0


def test_a_burst_may_wait():
    backlog = AdmissionQueue(WORKERS, LONGEST, LASTING)
    assert [backlog.may_wait(calls, 100 + 0.01 * calls) for calls in range(60)] == [LONGEST] * 60


def test_a_queue_that_lasts_is_kept_short():
    backlog = AdmissionQueue(WORKERS, LONGEST, LASTING)
    assert backlog.may_wait(0, 100) == LONGEST
    assert backlog.may_wait(40, 101.9) == LONGEST
    assert backlog.may_wait(40, 102.1) == SHORT * WORKERS


def test_a_queue_that_empties_between_may_be_long_again():
    backlog = AdmissionQueue(WORKERS, LONGEST, LASTING)
    backlog.may_wait(0, 99)
    for now in range(100, 200):
        assert backlog.may_wait(WORKERS if now % 2 else 40, now) == LONGEST


def test_it_stays_short_while_somebody_is_refused():
    backlog = AdmissionQueue(WORKERS, LONGEST, LASTING)
    backlog.may_wait(0, 100)
    backlog.refuse(102)
    for now in range(103, 120):
        assert backlog.may_wait(WORKERS if now % 2 else WORKERS + 4, now) == SHORT * WORKERS
        backlog.refuse(now)
    assert backlog.may_wait(WORKERS, 121) == LONGEST


def test_a_moment_without_calls_ends_no_overload():
    """It may be a pause of this process, after which all who wait to be read come at once."""
    backlog = AdmissionQueue(WORKERS, LONGEST, LASTING)
    backlog.may_wait(0, 100)
    backlog.refuse(101)
    assert backlog.may_wait(0, 101.6) == SHORT * WORKERS
    assert backlog.may_wait(0, 101 + LASTING) == LONGEST


def test_never_more_than_was_set():
    backlog = AdmissionQueue(WORKERS, 1, LASTING)
    assert backlog.may_wait(0, 100) == 1
    assert backlog.may_wait(3, 200) == 1


def test_a_queue_may_last_for_ever():
    backlog = AdmissionQueue(WORKERS, LONGEST, math.inf)
    backlog.refuse(101)
    assert backlog.may_wait(70, 102) == LONGEST


def test_many_are_turned_away_once_there_was_no_place_for_long():
    backlog = AdmissionQueue(WORKERS, LONGEST, LASTING)
    full = WORKERS + LONGEST
    assert not backlog.turns_away(full, 100)
    for tenth in range(20):
        backlog.refuse(100 + tenth / 10)
        assert not backlog.turns_away(full, 100 + tenth / 10)
    backlog.refuse(102.1)
    assert backlog.turns_away(full, 102.1)
    assert backlog.turns_away(full, 102.1 + 0.9 * UNREAD_SECONDS)


def test_one_who_asks_now_and_then_is_heard():
    backlog = AdmissionQueue(WORKERS, LONGEST, LASTING)
    for now in range(100, 120):
        backlog.refuse(now)
        assert not backlog.turns_away(WORKERS + LONGEST, now + 1.1 * UNREAD_SECONDS)


def test_nobody_is_turned_away_while_there_is_a_place():
    backlog = AdmissionQueue(WORKERS, LONGEST, LASTING)
    backlog.refuse(100)
    backlog.refuse(101.5)
    backlog.refuse(103)
    short = WORKERS + SHORT * WORKERS
    assert [backlog.turns_away(calls, 103) for calls in (1, short - 1, short)] == [False, False, True]
