"""The one shape of every error (RFC 9457)."""

from typing import Annotated

from pydantic import Field

from lindyn.wire.base import Reply


class FieldProblem(Reply):
    """What is wrong at one place of the request."""

    path: Annotated[str, Field(examples=["network.dims"], description="Empty for the body as a whole.")]
    detail: Annotated[str, Field(examples=["got 0, expected at least 1"])]


class Problem(Reply):
    """Body of every error answer, as application/problem+json."""

    type: Annotated[str, Field(examples=["/problems/invalid-request"])]
    code: Annotated[str, Field(examples=["invalid-request"])]
    title: str
    status: int
    detail: Annotated[
        str,
        Field(description="What was got, what is allowed, what to do; for invalid-request, which fields are wrong."),
    ]
    errors: Annotated[
        list[FieldProblem],
        Field(description="For invalid-request all that is wrong, field by field; else what `detail` is about."),
    ] = Field(default_factory=list[FieldProblem])
    request_id: str | None = None
