"""What a request says and nobody knows: it is named and refused, never passed over."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.station.conftest import Service


def test_an_unknown_parameter_is_refused_and_nothing_is_inspected(
    service: Service, pictures: list[Path]
) -> None:
    newest = service.client.inspect(pictures[0]).id
    large = b"x" * 2**20  # the answer must come while its sender still sends
    assert service.ask("POST", "/v1/inspect?modle=back", large)[0] == 422
    assert next(service.client.results()).id == newest
    label = {"truth": "good", "who": "Ada"}
    for method, path, body, reason in (
        ("GET", "/v1/results?verdct=failed", None, "did you mean verdict? Known are cursor, defect_class,"),
        ("GET", "/v1/results?limit=1&x=", None, "there is no parameter 'x': known are cursor, "),
        ("GET", "/v1/models/fabric/history?limt=3", None, "did you mean limit? Known are limit"),
        ("GET", f"/v1/results/{newest}?limit=3", None, "there is no parameter 'limit': this route has none"),
        ("GET", "/v1/models?n%ffme=1", None, "there is no parameter 'n\\ufffdme'"),
        ("POST", f"/v1/results/{newest}/labels?who=Ada", label, "'who': this route has none"),
    ):
        status, answer = service.json(method, path, body)
        assert (status, reason in answer["detail"]) == (422, True), answer
    assert service.client.labels(newest) == []
    # What is no part of the interface may be asked with whatever a proxy or a browser adds.
    for path in ("/", "/healthz", "/metrics"):
        assert service.ask("GET", f"{path}?utm=1")[0] == 200, path


@pytest.mark.parametrize(
    ("place", "body", "key"),
    [
        ("results/{}/labels", {"truth": "good", "who": "W", "class": "x"}, "class"),
        ("results/{}/marks", {"truth": "good", "who": "W", "class": "x"}, "class"),
        ("results/{}/labels/1/withdrawal", {"who": "W", "reason": "x"}, "reason"),
        ("models/fabric/thresholds", {"threshold": 5.2, "review": 4, "who": "x"}, "review"),
        ("models/fabric/load", {"folder": "next", "version": 2}, "version"),
        ("models/fabric/rollback", {"who": "x", "to": "next"}, "to"),
        ("models/fabric/drift", {"decision": "restart", "why": "x"}, "why"),
        ("alarms/1/acknowledgement", {"whom": "x"}, "whom"),
    ],
)
def test_an_unknown_key_is_refused(
    service: Service, pictures: list[Path], place: str, body: dict[str, object], key: str
) -> None:
    number = service.client.inspect(pictures[0]).id
    before = service.json("GET", "/v1/models/fabric")
    answer = service.json("POST", f"/v1/{place.format(number)}", body)
    assert answer == (422, {"detail": f"body {key}: there is no such key"})
    assert (service.json("GET", "/v1/models/fabric"), service.client.labels(number)) == (before, [])


def test_every_body_of_the_interface_refuses_what_it_does_not_know(service: Service) -> None:
    described = service.json("GET", "/openapi.json")[1]
    kinds = [
        route["post"]["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        for path, route in described["paths"].items()
        if path.startswith("/v1/") and "post" in route and path != "/v1/inspect"
    ]
    assert len(kinds) >= 8
    schemas = described["components"]["schemas"]
    assert {kind: schemas[kind].get("additionalProperties") for kind in kinds} == dict.fromkeys(kinds, False)
