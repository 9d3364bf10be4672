"""Who may wait, by a clock of the test."""

import math

from lindyn_service.engine.backlog import SHORT, Backlog

WORKERS, LONGEST, LASTING = 2, 64, 2.0


def test_a_burst_may_wait():
    backlog = Backlog(WORKERS, LONGEST, LASTING)
    assert [backlog.may_wait(calls, 100 + 0.01 * calls) for calls in range(60)] == [LONGEST] * 60


def test_a_queue_that_lasts_is_kept_short():
    backlog = Backlog(WORKERS, LONGEST, LASTING)
    assert backlog.may_wait(0, 100) == LONGEST
    assert backlog.may_wait(40, 101.9) == LONGEST
    assert backlog.may_wait(40, 102.1) == SHORT * WORKERS


def test_a_queue_that_empties_between_may_be_long_again():
    backlog = Backlog(WORKERS, LONGEST, LASTING)
    backlog.may_wait(0, 99)
    for now in range(100, 200):
        assert backlog.may_wait(WORKERS if now % 2 else 40, now) == LONGEST


def test_it_stays_short_while_somebody_is_refused():
    backlog = Backlog(WORKERS, LONGEST, LASTING)
    backlog.may_wait(0, 100)
    backlog.refuse(102)
    for now in range(103, 120):
        assert backlog.may_wait(WORKERS if now % 2 else WORKERS + 4, now) == SHORT * WORKERS
        backlog.refuse(now)
    assert backlog.may_wait(WORKERS, 121) == LONGEST


def test_when_all_is_done_a_burst_may_wait_again():
    backlog = Backlog(WORKERS, LONGEST, LASTING)
    backlog.may_wait(0, 100)
    backlog.refuse(101)
    assert backlog.may_wait(3, 101.5) == SHORT * WORKERS
    assert backlog.may_wait(0, 101.6) == LONGEST


def test_never_more_than_was_set():
    backlog = Backlog(WORKERS, 1, LASTING)
    assert backlog.may_wait(0, 100) == 1
    assert backlog.may_wait(3, 200) == 1


def test_a_queue_may_last_for_ever():
    backlog = Backlog(WORKERS, LONGEST, math.inf)
    backlog.refuse(101)
    assert backlog.may_wait(70, 102) == LONGEST
