"""What a service's answer means: a model, or one of our errors. Nothing here sends anything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypeVar

from pydantic import BaseModel
from pydantic_core import from_json

from kotta import bounded, models
from kotta.errors import (
    ConflictError,
    DescriptionError,
    FieldProblem,
    ForbiddenError,
    KottaError,
    LoginRequiredError,
    NotFoundError,
    QuotaError,
    RequestError,
    ServiceFaultError,
    StorageFullError,
    UnavailableError,
)

Model = TypeVar("Model", bound=BaseModel)

STOPPING = "stopping"
"""Code of the one refusal that says that nothing was done."""
_BY_STATUS: dict[int, type[KottaError]] = {
    401: LoginRequiredError,
    403: ForbiddenError,
    429: QuotaError,
    404: NotFoundError,
    409: ConflictError,
    502: UnavailableError,
    503: UnavailableError,
    504: UnavailableError,
    507: StorageFullError,
}
_PROXY_STATUSES = (502, 503, 504)


class Answer(NamedTuple):
    """An answer, read to its end.

    Attributes:
        where: what to call the service in an error.
    """

    where: str
    status: int
    headers: Mapping[str, str]
    content: bytes = b""

    @property
    def request_id(self) -> str | None:
        """The service's name for the request."""
        return self.headers.get("kotta-request-id")

    def parsed(self, model: type[Model]) -> Model:
        """The answer as a model.

        Raises:
            ServiceFaultError: it is not one.
        """
        try:
            return self._understood(model)
        except bounded.OutOfBoundsError as error:
            raise self.strange(str(error)) from error
        except ValueError as error:
            raise self.strange(f"its answer is no {model.__name__}") from error

    def failure(self) -> KottaError:
        """The error that an answer tells of."""
        if 300 <= self.status < 400 and (location := self.headers.get("location", "")):
            return self.strange(f"it sends on to {location}, and nothing is sent along a redirect")
        try:
            problem = self._understood(models.Problem)
        except (ValueError, bounded.OutOfBoundsError):
            if self.status in _PROXY_STATUSES:
                return UnavailableError(
                    f"{self.where} is not to be had now: what stands before it answers "
                    f"{self.status}",
                    hint="repeat the command later",
                )
            return self.strange(f"it answers {self.status} without saying why")
        if problem.code == "bad_description":
            fields = tuple(
                FieldProblem(item.pointer, item.detail, item.hint) for item in problem.errors
            )
            return DescriptionError(
                problem.detail, problems=fields, hint=problem.hint, request_id=self.request_id
            )
        fallback = ServiceFaultError if self.status >= 500 else RequestError
        kind = _BY_STATUS.get(self.status, fallback)
        if problem.code == "beyond_quota":
            kind = QuotaError
        error = kind(
            problem.detail, hint=problem.hint, code=problem.code, request_id=self.request_id
        )
        when = self.headers.get("retry-after", "")
        if isinstance(error, QuotaError | UnavailableError) and when.isdigit():
            error.retry_after_seconds = int(when)
        return error

    def _understood(self, model: type[Model]) -> Model:
        bounded.check_json(self.content)
        # In two steps: in one, every error would make a copy of all that it is about.
        return model.model_validate(from_json(self.content, allow_inf_nan=False))

    def strange(self, words: str) -> ServiceFaultError:
        """The error for an answer that no Kotta service gives.

        Args:
            words: what is strange, beginning with `it` or `its`.
        """
        return ServiceFaultError(
            f"what answers at {self.where} is no Kotta service, or a broken one: {words}",
            hint="check the address with: kotta service status",
            request_id=self.request_id,
        )
