"""The messages of JSON-RPC 2.0."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, StrictInt, StrictStr

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603

Id = StrictInt | StrictStr | None


class Request(BaseModel):
    """A call; without ``id`` it is a notification, which is never answered."""

    model_config = ConfigDict(extra="forbid")

    jsonrpc: Literal["2.0"]
    method: StrictStr
    params: dict[str, Any] | list[Any] = {}
    id: Id = None

    @property
    def is_notification(self) -> bool:
        """Whether the caller expects no answer."""
        return "id" not in self.model_fields_set


class RpcError(Exception):
    """An error that becomes the response to a request."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.code = code
        self.data = data


def success(request_id: Id, result: Any) -> dict[str, Any]:
    """The response to a call that went well."""
    return {"jsonrpc": "2.0", "id": request_id, "result": result}


def failure(request_id: Id, error: RpcError) -> dict[str, Any]:
    """The response to a call that did not go well."""
    body: dict[str, Any] = {"code": error.code, "message": str(error)}
    if error.data is not None:
        body["data"] = error.data
    return {"jsonrpc": "2.0", "id": request_id, "error": body}
