"""Errors of jobs; each class has its own problem code, unless its callers distinguish it from its base class."""

from lindyn_service.errors import ServiceError


class JobsUnavailableError(ServiceError):
    """The job store does not answer, or the service has none."""

    code = "jobs-unavailable"
    status = 503
    title = "Jobs are not available"
    retry_after_seconds = 5


class JobsRefusedError(JobsUnavailableError):
    """The job store refuses a command, and would refuse it later, too."""


class JobsFullError(JobsRefusedError):
    """The job store has no room."""

    code = "no-room"
    status = 507
    title = "There is no room for the job"


class DamagedJobError(ServiceError):
    """A stored job cannot be read: it is damaged, or another version of the service stored it."""

    code = "damaged-job"
    status = 500
    title = "The stored job cannot be read"


class NotDoneError(ServiceError):
    """The job has not finished, or it ended without a result."""

    code = "not-done"
    status = 409
    title = "The job is not done"


class TooManyJobsError(ServiceError):
    """The limit of jobs that wait or run is reached."""

    code = "busy"
    status = 503
    title = "Too many jobs"
    retry_after_seconds = 10
