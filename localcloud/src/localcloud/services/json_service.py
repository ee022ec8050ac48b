"""A small AWS service with a JSON protocol, validated against botocore's model."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping

from localcloud.errors import ServiceError
from localcloud.model import Json, operation_model, project, service_model
from localcloud.responses import Request, Response, error_response, json_response, parsed
from localcloud.validation import validate

logger = logging.getLogger("localcloud.services")

Operation = Callable[[Json], Json]


class JsonService:
    """Routes requests to operations.

    Args:
        name: As botocore names the service.
        operations: What carries out each operation.
    """

    def __init__(self, name: str, operations: Mapping[str, Operation]) -> None:
        self.name = name
        self._operations = operations

    def respond(self, request: Request) -> Response:
        """Answer a request; the scope must be set."""
        try:
            return json_response(self.call(self._named(request), parsed(request.body)))
        except ServiceError as error:
            return error_response(error)
        except Exception as error:
            logger.exception("%s %s", self.name, request.path)
            text = f"{type(error).__name__}: {error}"
            return error_response(ServiceError("InternalServiceException", text, status=500))

    def call(self, operation: str, request: Json) -> Json:
        """Carry out an operation in the current scope.

        Raises:
            ServiceError: The request is not valid, or the service refuses it.
        """
        model = operation_model(self.name, operation)
        carry_out = self._operations.get(operation)
        if carry_out is None:
            raise ServiceError("UnsupportedOperation", f"The local cloud has no {operation}.")
        answer: Json = project(model.output_shape, carry_out(validate(model.input_shape, request)))
        return answer

    def _named(self, request: Request) -> str:
        target = request.headers.get("x-amz-target")
        if target:
            return target.rsplit(".", 1)[-1]
        for name in service_model(self.name).operation_names:
            template = operation_model(self.name, name).http["requestUri"]
            if re.fullmatch(re.sub(r"\\{.*?\\}", "[^/]+", re.escape(template)), request.path):
                return str(name)
        raise ServiceError("UnknownOperationException", f"Unknown operation: {request.path}")
