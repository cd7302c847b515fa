"""What the service can be asked."""

import os
import platform
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from praxis_example import __version__
from praxis_example.protocol import INVALID_PARAMS, RpcError

Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]


class Deployment(BaseModel):
    """What is to run: an image by digest, as an ordinary user."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,62}$")]
    image: Digest
    uid: Annotated[int, Field(ge=1, le=2**31 - 1)] = 10001
    replicas: Annotated[int, Field(ge=1, le=100)] = 1
    environment: dict[str, str] = {}


def ping() -> str:
    """Answer, to show that the service is there."""
    return "pong"


def describe() -> dict[str, Any]:
    """Say what the service is and as whom it runs."""
    return {
        "name": "praxis-example",
        "version": __version__,
        "python": platform.python_version(),
        "uid": os.getuid(),
        "gid": os.getgid(),
        "methods": sorted(METHODS),
        "deployment": Deployment.model_json_schema(),
    }


def validate(deployment: dict[str, Any]) -> dict[str, Any]:
    """Say whether a deployment is well-formed, and if not, what is wrong where."""
    try:
        Deployment.model_validate(deployment)
    except ValidationError as error:
        problems = [
            {"path": "/".join(str(part) for part in problem["loc"]), "message": problem["msg"]}
            for problem in error.errors(include_url=False, include_input=False)
        ]
        return {"valid": False, "problems": problems}
    return {"valid": True, "problems": []}


METHODS: dict[str, tuple[Callable[..., Any], tuple[str, ...]]] = {
    "ping": (ping, ()),
    "describe": (describe, ()),
    "validate": (validate, ("deployment",)),
}


def arguments(names: tuple[str, ...], params: dict[str, Any] | list[Any]) -> dict[str, Any]:
    """The parameters by name, all of them objects; positions count as JSON-RPC allows."""
    given = dict(zip(names, params)) if isinstance(params, list) else params
    surplus = isinstance(params, list) and len(params) > len(names)
    if surplus or set(given) != set(names):
        raise RpcError(INVALID_PARAMS, f"expected the parameters {list(names)}")
    for name, value in given.items():
        if not isinstance(value, dict):
            raise RpcError(INVALID_PARAMS, f"{name} must be an object")
    return given
