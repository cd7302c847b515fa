"""Lines in, lines out."""

import json
import sys
from typing import Any, BinaryIO

from pydantic import ValidationError

from praxis_example.methods import METHODS, arguments
from praxis_example.protocol import (
    INTERNAL_ERROR,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    PARSE_ERROR,
    Request,
    RpcError,
    failure,
    success,
)

LINE_LIMIT = 1 << 20
BATCH_LIMIT = 100


def serve(source: BinaryIO, sink: BinaryIO) -> None:
    """Answer each line of ``source`` on ``sink`` until ``source`` ends."""
    while line := source.readline(LINE_LIMIT + 1):
        too_long = len(line) > LINE_LIMIT
        while too_long and not line.endswith(b"\n"):
            line = source.readline(LINE_LIMIT)
            if not line:
                break
        if not too_long and not line.strip():
            continue
        answer = (
            failure(None, RpcError(INVALID_REQUEST, f"longer than {LINE_LIMIT} bytes"))
            if too_long
            else answer_line(line)
        )
        if answer is not None:
            sink.write(json.dumps(answer, separators=(",", ":")).encode() + b"\n")
            sink.flush()


def answer_line(line: bytes) -> Any:
    """The response to one line: an object, a list for a batch, or None if nothing is to be said."""
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        return failure(None, RpcError(PARSE_ERROR, "not JSON"))
    if not isinstance(message, list):
        return answer(message)
    if not 1 <= len(message) <= BATCH_LIMIT:
        return failure(None, RpcError(INVALID_REQUEST, f"a batch has 1 to {BATCH_LIMIT} requests"))
    answers = [response for response in map(answer, message) if response is not None]
    return answers or None


def answer(message: Any) -> dict[str, Any] | None:
    """The response to one request; None for a notification."""
    try:
        request = Request.model_validate(message)
    except ValidationError as error:
        problems = [".".join(map(str, problem["loc"])) or "request" for problem in error.errors()]
        invalid = RpcError(INVALID_REQUEST, "not a JSON-RPC 2.0 request", problems)
        return failure(known_id(message), invalid)
    try:
        response = success(request.id, call(request))
    except RpcError as error:
        response = failure(request.id, error)
    except Exception as error:  # A defect answers its own request and leaves the service running.
        print(f"{request.method}: {error!r}", file=sys.stderr, flush=True)
        response = failure(request.id, RpcError(INTERNAL_ERROR, "internal error"))
    return None if request.is_notification else response


def call(request: Request) -> Any:
    """The result of a request's method."""
    if request.method not in METHODS:
        raise RpcError(METHOD_NOT_FOUND, f"no method {request.method!r}", sorted(METHODS))
    function, names = METHODS[request.method]
    return function(**arguments(names, request.params))


def known_id(message: Any) -> int | str | None:
    """The id of a message that is otherwise wrong."""
    found = message.get("id") if isinstance(message, dict) else None
    return found if isinstance(found, int | str) and not isinstance(found, bool) else None
