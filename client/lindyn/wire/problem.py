"""Body of error replies (RFC 9457)."""

from typing import Annotated

from pydantic import Field

from lindyn.wire.base import Reply


class FieldProblem(Reply):
    """An error in a field of the request."""

    path: Annotated[str, Field(examples=["network.dims"], description="Path of the field; empty for the whole body.")]
    detail: Annotated[str, Field(examples=["got 0, expected at least 1"])]


class Problem(Reply):
    """The body of every error reply, as application/problem+json."""

    type: Annotated[str, Field(examples=["/problems/invalid-request"])]
    code: Annotated[str, Field(examples=["invalid-request"])]
    title: str
    status: int
    detail: Annotated[
        str,
        Field(
            description="The received value, the allowed ones and the remedy; for invalid-request, the invalid fields."
        ),
    ]
    errors: Annotated[
        list[FieldProblem],
        Field(description="For invalid-request, all invalid fields; else the fields that `detail` is about."),
    ] = Field(default_factory=list[FieldProblem])
    request_id: str | None = None
