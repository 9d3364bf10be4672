"""Admission to the queue of the engine, by a clock of the test."""

import math

from lindyn_service.engine.admission import SHORT, UNREAD_SECONDS, AdmissionQueue

WORKERS, LONGEST, LASTING = 2, 64, 2.0


def test_a_burst_may_fill_the_queue():
    admission = AdmissionQueue(WORKERS, LONGEST, LASTING)
    assert [admission.queue_limit(calls, 100 + 0.01 * calls) for calls in range(60)] == [LONGEST] * 60


def test_a_persistent_queue_is_kept_short():
    admission = AdmissionQueue(WORKERS, LONGEST, LASTING)
    assert admission.queue_limit(0, 100) == LONGEST
    assert admission.queue_limit(40, 101.9) == LONGEST
    assert admission.queue_limit(40, 102.1) == SHORT * WORKERS


def test_a_queue_that_empties_may_be_long_again():
    admission = AdmissionQueue(WORKERS, LONGEST, LASTING)
    admission.queue_limit(0, 99)
    for now in range(100, 200):
        assert admission.queue_limit(WORKERS if now % 2 else 40, now) == LONGEST


def test_the_queue_stays_short_while_calls_are_refused():
    admission = AdmissionQueue(WORKERS, LONGEST, LASTING)
    admission.queue_limit(0, 100)
    admission.note_refusal(102)
    for now in range(103, 120):
        assert admission.queue_limit(WORKERS if now % 2 else WORKERS + 4, now) == SHORT * WORKERS
        admission.note_refusal(now)
    assert admission.queue_limit(WORKERS, 121) == LONGEST


def test_a_moment_without_calls_ends_no_overload():
    """It may be a pause of this process, after which all pending calls arrive at once."""
    admission = AdmissionQueue(WORKERS, LONGEST, LASTING)
    admission.queue_limit(0, 100)
    admission.note_refusal(101)
    assert admission.queue_limit(0, 101.6) == SHORT * WORKERS
    assert admission.queue_limit(0, 101 + LASTING) == LONGEST


def test_the_queue_never_exceeds_its_limit():
    admission = AdmissionQueue(WORKERS, 1, LASTING)
    assert admission.queue_limit(0, 100) == 1
    assert admission.queue_limit(3, 200) == 1


def test_shortening_of_the_queue_may_be_disabled():
    admission = AdmissionQueue(WORKERS, LONGEST, math.inf)
    admission.note_refusal(101)
    assert admission.queue_limit(70, 102) == LONGEST


def test_new_bodies_are_refused_after_a_long_overload():
    admission = AdmissionQueue(WORKERS, LONGEST, LASTING)
    full = WORKERS + LONGEST
    assert not admission.refuses_unread(full, 100)
    for tenth in range(20):
        admission.note_refusal(100 + tenth / 10)
        assert not admission.refuses_unread(full, 100 + tenth / 10)
    admission.note_refusal(102.1)
    assert admission.refuses_unread(full, 102.1)
    assert admission.refuses_unread(full, 102.1 + 0.9 * UNREAD_SECONDS)


def test_occasional_requests_are_accepted_during_an_overload():
    admission = AdmissionQueue(WORKERS, LONGEST, LASTING)
    for now in range(100, 120):
        admission.note_refusal(now)
        assert not admission.refuses_unread(WORKERS + LONGEST, now + 1.1 * UNREAD_SECONDS)


def test_no_request_is_refused_while_the_queue_has_room():
    admission = AdmissionQueue(WORKERS, LONGEST, LASTING)
    admission.note_refusal(100)
    admission.note_refusal(101.5)
    admission.note_refusal(103)
    short = WORKERS + SHORT * WORKERS
    assert [admission.refuses_unread(calls, 103) for calls in (1, short - 1, short)] == [False, False, True]
