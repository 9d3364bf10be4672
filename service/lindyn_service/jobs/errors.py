"""What the service answers about jobs with an error, one class per problem code."""

from lindyn_service.errors import ServiceError


class JobsUnavailableError(ServiceError):
    """The store of jobs does not answer, or there is none."""

    code = "jobs-unavailable"
    status = 503
    title = "Jobs are not available"
    retry_after_seconds = 5


class JobsRefusedError(JobsUnavailableError):
    """The store of jobs answers that it will not do this, and will not do it later either."""


class JobsFullError(JobsRefusedError):
    """The store of jobs has no room."""

    code = "no-room"
    status = 507
    title = "There is no room for the job"


class DamagedJobError(ServiceError):
    """A stored job cannot be read: it is damaged, or of another version."""

    code = "damaged-job"
    status = 500
    title = "The stored job cannot be read"


class NotDoneError(ServiceError):
    """The job has no result, or not yet."""

    code = "not-done"
    status = 409
    title = "The job is not done"


class TooManyJobsError(ServiceError):
    """As many jobs wait or run as the service takes."""

    code = "busy"
    status = 503
    title = "Too many jobs"
    retry_after_seconds = 10
