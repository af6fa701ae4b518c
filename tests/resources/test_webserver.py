"""F-O1: no other web page, no rebound DNS name and no plain form reaches the Dagster UI behind our guard."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from forge_resources.webserver import guarded_app, only_reads

PORT = 3123
OWN = f"http://localhost:{PORT}"
LAUNCH = "mutation($p: ExecutionParams!) { launchPipelineExecution(executionParams: $p) { __typename } }"
PARAMS = {
    "p": {
        "selector": {
            "repositoryName": "__repository__",
            "repositoryLocationName": "tiny",
            "pipelineName": "__ASSET_JOB",
            "assetSelection": [{"path": ["thing"]}],
        },
        "mode": "default",
        "runConfigData": {},
    }
}


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    import dagster as dg

    folder = tmp_path_factory.mktemp("instance")
    with dg.DagsterInstance.local_temp(str(folder), overrides={"telemetry": {"enabled": False}}) as instance:
        yield instance


@pytest.fixture(scope="module")
def client(instance: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    from dagster._core.workspace.context import WorkspaceProcessContext
    from dagster._core.workspace.load_target import PythonFileTarget

    file: Path = tmp_path_factory.mktemp("code") / "tiny.py"
    file.write_text(
        "import dagster as dg\n@dg.asset\ndef thing(): ...\ndefs = dg.Definitions(assets=[thing])\n"
    )
    target = PythonFileTarget(
        str(file), attribute=None, working_directory=str(file.parent), location_name="tiny"
    )
    with (
        pytest.MonkeyPatch.context() as environment,
        # type: ignore[arg-type]
        WorkspaceProcessContext(instance, workspace_load_target=target, version="1") as context,
    ):
        environment.setenv("FORGE_HOME", str(tmp_path_factory.mktemp("home")))
        with TestClient(guarded_app(context, PORT), base_url=OWN, follow_redirects=False) as client:
            yield client


def runs(client: TestClient) -> int:
    answer = client.post("/graphql", json={"query": "{ runsOrError { ... on Runs { results { id } } } }"})
    return len(answer.json()["data"]["runsOrError"]["results"])


def launch(client: TestClient, **headers: str):
    body = json.dumps({"query": LAUNCH, "variables": PARAMS})
    return client.post("/graphql", content=body, headers={"content-type": "application/json", **headers})


def test_the_ui_itself_is_served(client: TestClient) -> None:
    assert client.get("/").status_code == 200
    same = {"origin": OWN, "sec-fetch-site": "same-origin"}
    assert client.post("/graphql", json={"query": "{ version }"}, headers=same).json()["data"]["version"]


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": f"http://localhost:{PORT + 1}"},
        {"origin": f"https://localhost:{PORT}"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": OWN, "host": "evil.example"},
        {"host": f"localhost.evil.example:{PORT}"},
        {"host": "localhost"},
        {"content-type": "text/plain"},
        {"content-type": "text/plain; x=application/json"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "multipart/form-data; boundary=x"},
        {"content-type": ""},
    ],
    ids=str,
)
def test_F_O1_cross_site_post(client: TestClient, headers: dict[str, str]) -> None:
    before = runs(client)
    assert launch(client, **headers).status_code == 403
    assert runs(client) == before


@pytest.mark.parametrize("path", ["/graphql", "/graphql/"])
@pytest.mark.parametrize(
    "document",
    [
        LAUNCH,
        "query A { version } " + LAUNCH,
        "# query\n" + LAUNCH,
        "fragment F on Query { version } " + LAUNCH,
        "subscription { capturedLogs(logKey: []) { stdout } }",
        "{" + "a{" * 5000 + "b" + "}" * 5001,
    ],
    ids=["plain", "behind a query", "behind a comment", "behind a fragment", "subscription", "deep"],
)
def test_F_O1_mutation_over_get(client: TestClient, path: str, document: str) -> None:
    before = runs(client)
    address = f"{path}?query={quote(document)}&variables={quote(json.dumps(PARAMS))}"
    assert client.get(address).status_code == 403
    assert runs(client) == before


def test_F_O1_two_query_parameters(client: TestClient) -> None:
    address = (
        f"/graphql?query={quote('{ version }')}&query={quote(LAUNCH)}&variables={quote(json.dumps(PARAMS))}"
    )
    assert client.get(address).status_code == 403


def test_F_O1_mutation_in_the_address_of_a_post(client: TestClient) -> None:
    address = f"/graphql?query={quote(LAUNCH)}&variables={quote(json.dumps(PARAMS))}"
    assert client.post(address).status_code == 403


def test_F_O1_state_unchanged_until_the_owner_asks(client: TestClient) -> None:
    before = runs(client)
    launch(client, origin="https://evil.example")
    assert runs(client) == before
    assert launch(client, origin=OWN).status_code == 200  # the same request from the UI itself does launch
    assert runs(client) == before + 1


@pytest.mark.parametrize(
    "headers", [{"origin": "https://evil.example"}, {"origin": "null"}, {"host": "evil.example"}], ids=str
)
def test_F_O1_websocket_of_another_site(client: TestClient, headers: dict[str, str]) -> None:
    with (
        pytest.raises(WebSocketDisconnect),
        client.websocket_connect(
            "/graphql", subprotocols=["graphql-ws"], headers={"host": f"localhost:{PORT}", **headers}
        ),
    ):
        raise AssertionError("it was accepted")


def test_the_ui_may_open_its_websocket(client: TestClient) -> None:
    headers = {"host": f"localhost:{PORT}", "origin": OWN}
    with client.websocket_connect("/graphql", subprotocols=["graphql-ws"], headers=headers) as line:
        line.send_json({"type": "connection_init"})
        assert line.receive_json()["type"] == "connection_ack"


@pytest.mark.parametrize("method", ["OPTIONS", "PUT", "DELETE", "TRACE"])
def test_other_methods_are_refused(client: TestClient, method: str) -> None:
    assert client.request(method, "/graphql").status_code == 403


def test_a_page_elsewhere_may_link_but_not_embed(client: TestClient) -> None:
    link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    assert client.get("/runs", headers=link).status_code == 200
    assert client.get("/runs", headers={**link, "sec-fetch-dest": "iframe"}).status_code == 403
    assert client.get("/graphql?query={version}", headers=link).status_code == 403


def test_every_answer_carries_the_security_headers(client: TestClient) -> None:
    for answer in (client.get("/"), client.get("/", headers={"host": "evil.example"})):
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_query_over_get_is_still_answered(client: TestClient) -> None:
    assert client.get("/graphql?query={version}").json()["data"]["version"]


def test_what_we_cannot_parse_does_not_count_as_reading() -> None:
    assert not only_reads("{ this is not")


ADD = (
    "mutation($key: String!, $repo: RepositorySelector!) { addDynamicPartition(repositorySelector: $repo,"
    ' partitionsDefName: "exports", partitionKey: $key) { __typename } }'
)


@pytest.mark.parametrize("key", ["x' OR 1=1 --", "../../etc", "🙂", "a" * 10_000, ""])
@pytest.mark.parametrize("inline", [False, True])
def test_F_O3_a_malformed_partition_key_is_not_registered(client: TestClient, key: str, inline: bool) -> None:
    document = ADD.replace("$key: String!, ", "").replace("$key", json.dumps(key)) if inline else ADD
    repository = {"repositoryName": "__repository__", "repositoryLocationName": "x"}
    answer = client.post("/graphql", json={"query": document, "variables": {"key": key, "repo": repository}})
    assert answer.status_code == 403
    assert "FORGE-PARTITION-KEY" in answer.text


def test_a_picture_is_served_by_its_name_alone(client: TestClient) -> None:
    from forge_resources.pictures import Pictures
    from forge_resources.settings import load_settings

    link = Pictures(load_settings().home).show("a dot", b"\x89PNG")
    address = link[link.index("(") + 1 : -1]
    assert client.get(address).content == b"\x89PNG"
    for other in ("../keys/pseudonyms.key", "..%2fkeys%2fpseudonyms.key", "a.png", "0" * 24 + ".png"):
        assert client.get(f"/forge/pictures/{other}").status_code in (404, 200)
        assert b"PNG" not in client.get(f"/forge/pictures/{other}").content
