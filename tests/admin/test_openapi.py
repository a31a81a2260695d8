"""Requests that are made from the API's own description, good ones and bad ones: none makes it fail, and every answer
is one that the description has."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from schemathesis.specs.openapi.schemas import OpenApiSchema

from tests.stage import Stage, playing
from tests.upstream import Play, running_upstream

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]

# How long a description takes to make requests from is no concern here.
CAREFREE = (HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large)

# Operations with an input.
TAKING = ("listKeys", "getKey", "releaseKey", "resolveKey", "forgetKey", "resealRecords")


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A gateway with a record of each kind."""
    folder: Path = tmp_path_factory.mktemp("openapi")
    with running_upstream() as upstream, playing(upstream, "memory:", folder) as running:
        running.post("completed")
        for number in range(20):
            upstream.then(Play(then="reset"))
            running.post(f"unknown-{number}")
        yield running


@pytest.fixture(scope="module")
def described(stage: Stage) -> OpenApiSchema:
    return schemathesis.openapi.from_url(f"http://127.0.0.1:{stage.admin_port}/openapi.json")


@pytest.fixture(scope="module")
def ids(stage: Stage) -> list[str]:
    return [record["id"] for record in stage.admin("/api/keys").json["keys"]]


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        *((name, GenerationMode.POSITIVE) for name in (*TAKING, "getStats")),
        *((name, GenerationMode.NEGATIVE) for name in TAKING),  # Nothing can be wrong where nothing is taken.
    ],
)
def test_no_request_makes_it_fail_and_every_answer_is_described(
    described: OpenApiSchema, ids: list[str], name: str, mode: GenerationMode
) -> None:
    operation = described.find_operation_by_id(name)
    told: set[int] = set()

    @settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=CAREFREE)
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: schemathesis.Case[Any]) -> None:
        # Ids by chance are of no record; so every other one is that of a record.
        shown = str(case.path_parameters.get("id", ""))
        if re.fullmatch("[0-9a-f]{64}", shown) and int(shown[0], 16) % 2:
            case.path_parameters["id"] = ids[int(shown[1], 16) % len(ids)]
        told.add(case.call_and_validate(checks=CHECKS).status_code)

    ask()
    assert told
