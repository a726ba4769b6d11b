# SPDX-License-Identifier: Apache-2.0
"""The REST API on the local socket: resources, lists, problems, preconditions, idempotency, bad requests."""
import concurrent.futures
import json
import re
import socket
import time

import pytest

from muelle import Muelle, free_port, wait_until

P = "/api/v1/projects/shop"


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    with Muelle(tmp_path_factory.mktemp("shop")) as m:
        m.port = free_port()
        m.write("muelle.yaml", f"""
name: shop
gateway:
  listen: [ "http://127.0.0.1:{m.port}" ]
  admin: "http://127.0.0.1:{free_port()}"
services:
  web:
    command: /usr/bin/python3 -m http.server $PORT --bind 127.0.0.1
    environment: {{ PASSWORD: hunter2 }}
    deploy: {{ replicas: 2 }}
    routes: [ {{ host: shop.localhost, path: / }}, {{ host: "*.shop.localhost", path: /api }} ]
  talk:
    command: sh -c "for i in 1 2 3 4 5 6 7 8 9; do echo line $$i; done; sleep 1000"
""")
        m.up()
        yield m


def raw(m, data, timeout=5):
    """Bytes as they are, and all that comes back."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(timeout)
        s.connect(str(m.socket()))
        s.sendall(data)
        answer = b""
        try:
            while chunk := s.recv(65536):
                answer += chunk
        except TimeoutError:
            pass
        return answer


def problem(answer, status, code):
    got, headers, body = answer
    assert got == status, body
    assert headers["Content-Type"] == "application/problem+json"
    assert body["code"] == code and body["status"] == status and body["title"], body
    return body


def test_resources(shop):
    instance = shop.get("/api/v1/instance")
    assert instance["projects"] == ["shop"] and instance["core"]["pid"] > 0
    project = shop.get(P)
    assert project["name"] == "shop" and project["tenant"] == "default" and project["generation"] == 1
    assert project["services"]["total"] == 2 and project["origin"] == "file"
    service = shop.get(P + "/services/web")
    assert service["replicas"] == {"desired": 2, "configured": 2, "running": 2, "ready": 2}
    assert service["urls"] == [f"http://shop.localhost:{shop.port}/", f"http://www.shop.localhost:{shop.port}/api"]
    assert service["spec"]["routes"][0]["host"] == "shop.localhost"
    routes = shop.get(P + "/routes")["items"]
    assert [e["ready"] for e in routes[0]["endpoints"]] == [True, True]
    mappings = shop.get("/api/mappings")["items"]
    assert {m["replica"] for m in mappings} == {1, 2} and [mappings[0]["listen"]] == routes[0]["listeners"] == [f"http://127.0.0.1:{shop.port}"]


def test_a_stopped_service_says_what_it_comes_back_with(shop):
    shop.cli("stop", "web")
    assert shop.get(P + "/services/web")["replicas"] == {"desired": 0, "configured": 2, "running": 0, "ready": 0}
    shop.cli("start", "web")
    assert shop.get(P + "/services/web")["replicas"]["configured"] == 2


def test_secrets_are_never_shown(shop):
    for path in (P + "/config", P + "/services/web", P, "/api/v1/events?limit=1000"):
        assert "hunter2" not in json.dumps(shop.get(path)), path


def test_lists_go_by_pages(shop):
    pages, cursor = [], ""
    while cursor is not None:
        page = shop.get(f"{P}/replicas?limit=1" + (f"&cursor={cursor}" if cursor else ""))
        assert len(page["items"]) <= 1
        pages += page["items"]
        cursor = page["next_cursor"]
    whole = shop.get(P + "/replicas")["items"]
    assert [(r["service"], r["replica"]) for r in pages] == [(r["service"], r["replica"]) for r in whole]


def test_a_body_that_ends_in_the_middle_leaves_nothing_behind(shop):
    for _ in range(20):
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(str(shop.socket()))
            s.sendall(b"POST " + P.encode() + b"/reload HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                      b"Content-Length: 90\r\n\r\n{")
    problem(shop.request("GET", "/api/v1/projects/shop?x=%ff"), 400, "request.query")
    assert shop.get("/healthz")


def test_logs_go_by_pages_and_search(shop):
    wait_until(lambda: len(shop.get(P + "/logs?service=talk")["items"]) == 9, what="nine lines")
    lines, cursor = [], ""
    while cursor is not None:
        page = shop.get(f"{P}/logs?service=talk&limit=2" + (f"&cursor={cursor}" if cursor else ""))
        lines += [line["message"] for line in page["items"]]
        cursor = page["next_cursor"]
    assert lines == [f"line {n}" for n in range(1, 10)]
    assert [x["message"] for x in shop.get(P + "/logs?service=talk&tail=2")["items"]] == ["line 8", "line 9"]
    assert [x["message"] for x in shop.get(P + "/logs?q=line%205")["items"]] == ["line 5"]
    assert shop.get(P + "/logs?service=talk&stream=stderr")["items"] == []


@pytest.mark.parametrize("path", [f"{P}/replicas", f"{P}/logs", "/api/v1/events"])
def test_a_cursor_that_no_answer_gave_is_refused(shop, path):
    status, _, problem = shop.request("GET", f"{path}?cursor=abc")
    assert (status, problem["code"], problem["where"]) == (400, "request.cursor", "/cursor")


def test_what_is_not_there_is_a_problem(shop):
    problem(shop.request("GET", "/api/v1/projects/nope"), 404, "project.unknown")
    problem(shop.request("GET", "/api/v1/projects/nope/services"), 404, "project.unknown")
    problem(shop.request("GET", P + "/services/nope"), 404, "service.unknown")
    problem(shop.request("POST", P + "/services/nope/restart"), 404, "service.unknown")
    problem(shop.request("GET", "/api/v1/nope"), 404, "http.not-found")
    problem(shop.request("GET", "/api/v1/projects/%zz"), 400, "http.path")


def test_methods_types_and_bodies(shop):
    status, headers, _ = shop.request("PUT", P)
    assert status == 405 and headers["Allow"] == "GET, HEAD, DELETE"
    status, headers, _ = shop.request("OPTIONS", P + "/services/web/scale")
    assert status == 204 and headers["Allow"] == "POST"
    problem(shop.request("GET", P, headers={"Accept": "text/html"}), 406, "http.accept")
    problem(shop.request("POST", P + "/services/web/scale", {"replicas": 2}, {"Content-Type": "text/plain"}),
            415, "http.content-type")
    problem(shop.request("POST", P + "/services/web/scale"), 400, "request.missing")
    body = problem(shop.request("POST", P + "/services/web/scale", {"replicas": -1, "relicas": 1}), 400,
                   "request.range")
    assert [p["where"] for p in body["problems"]] == ["/replicas", "/relicas"]
    assert body["problems"][1]["hint"] == "did you mean 'replicas'?"
    problem(shop.request("GET", P + "/logs?tail=x"), 400, "request.type")
    problem(shop.request("GET", P + "/logs?follow=1", headers={"Accept": "application/json"}), 406, "http.accept")
    problem(shop.request("POST", "/api/v1/projects", {"files": ["relative.yaml"]}), 400, "request.path")
    problem(shop.request("POST", "/api/v1/projects", {"files": ["/a"], "working_dir": "b"}), 400, "request.path")
    status, _, body = shop.request("POST", "/api/v1/projects", {"files": ["/nowhere.yaml"]})
    assert status == 422 and body["problems"][0]["where"].startswith("/nowhere.yaml"), body


def test_head_answers_like_get_without_a_body(shop):
    status, headers, body = shop.request("HEAD", P)
    assert status == 200 and body == b"" and int(headers["Content-Length"]) > 10


def test_etag_and_if_match(shop):
    _, headers, _ = shop.request("GET", P + "/services/talk")
    tag = headers["ETag"]
    assert tag.startswith('"1-')
    status, headers, _ = shop.request("POST", P + "/services/talk/scale", {"replicas": 1}, {"If-Match": '"99"'})
    assert status == 412
    status, headers, _ = shop.request("POST", P + "/services/talk/scale", {"replicas": 1}, {"If-Match": tag})
    assert status == 200
    status, headers, body = shop.request("GET", P, headers={})
    again = shop.request("GET", P, headers={"If-None-Match": headers["ETag"]})
    assert again[0] == 304 and again[2] == b""
    assert shop.request("GET", P, headers={"If-None-Match": '"1-0"'})[0] == 200


def test_idempotency_key(shop):
    headers = {"Idempotency-Key": "key-1"}
    path = P + "/services/talk/restart"
    first = shop.request("POST", path, headers=headers)
    assert first[0] == 200 and "Idempotency-Replayed" not in first[1]
    events = len([e for e in shop.get("/api/v1/events?limit=1000")["items"] if e["kind"] == "service.restart"])
    again = shop.request("POST", path, headers=headers)
    assert again[0] == 200 and again[1]["Idempotency-Replayed"] == "true" and again[2] == first[2]
    assert len([e for e in shop.get("/api/v1/events?limit=1000")["items"] if e["kind"] == "service.restart"]) == events
    problem(shop.request("POST", P + "/services/web/restart", headers=headers), 422, "idempotency.reused")
    problem(shop.request("POST", path, headers={"Idempotency-Key": "k" * 300}), 400, "idempotency.key")


def test_one_key_at_the_same_time_acts_once(shop):
    before = len([e for e in shop.get("/api/v1/events?limit=1000")["items"] if e["kind"] == "service.restart"])
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: shop.request("POST", P + "/services/talk/restart",
                                                       headers={"Idempotency-Key": "at-once"})[0], range(8)))
    assert set(answers) <= {200, 409} and 200 in answers
    after = len([e for e in shop.get("/api/v1/events?limit=1000")["items"] if e["kind"] == "service.restart"])
    assert after == before + 1


def test_events_have_no_holes(shop):
    events = shop.get("/api/v1/events?limit=1000")["items"]
    assert [e["seq"] for e in events] == list(range(1, len(events) + 1))
    later = shop.get(f"/api/v1/events?after={events[2]['seq']}&limit=2")["items"]
    assert [e["seq"] for e in later] == [4, 5]
    assert all(e["service"] == "web" for e in shop.get("/api/v1/events?project=shop&service=web")["items"])


def test_dry_run_changes_nothing(shop):
    shop.write("next.yaml", (shop.folder / "muelle.yaml").read_text().replace("replicas: 2", "replicas: 3"))
    before = shop.get(P)["generation"]
    status, _, body = shop.request("POST", "/api/v1/projects",
                                   {"files": [str(shop.folder / "next.yaml")], "name": "shop", "dry_run": True})
    assert status == 200
    assert {s["service"]: s["action"] for s in body["plan"]}["web"] == "scale"
    assert shop.get(P)["generation"] == before


def test_health(shop):
    assert shop.get("/healthz") == {"status": "ok"} and shop.get("/readyz") == {"status": "ok"}
    text = shop.get("/metrics", headers={"Accept": "application/openmetrics-text"}).decode()
    assert text.endswith("# EOF\n") and "muelle_role_cpu_seconds_total" in text
    assert {s["service"] for s in shop.get("/api/metrics")["services"]} >= {"web", "talk"}


@pytest.mark.parametrize("data, status", [
    (b"GET /healthz HTTP/1.1\r\n\r\n", 400),
    (b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    (b"GET  /healthz HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"GET /healthz HTTP/3.0\r\nHost: a\r\n\r\n", 505),
    (b"POST /api/v1/session HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    (b"POST /api/v1/session HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\nContent-Type: application/json\r\n\r\n", 413),
    (b"GET /" + b"a" * 40000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
    (b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 40000 + b"\r\n\r\n", 431),
    (b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n", 400),
    (b"GET /healthz HTTP/1.1\r\nHost: a\x00b\r\n\r\n", 400),
    (b"POST /api/v1/session HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
], ids=["no host", "two hosts", "two spaces", "version", "both lengths", "huge body", "long line", "long header", "obs-fold",
        "nul", "bad chunk"])
def test_malformed_requests_get_their_status_and_a_closed_connection(shop, data, status):
    answer = raw(shop, data)
    assert answer.startswith(f"HTTP/1.1 {status} ".encode()), answer[:200]
    assert b"Connection: close" in answer
    assert shop.get("/healthz") == {"status": "ok"}


def test_bodies_that_are_no_json(shop):
    for body in (b"{", b"[]", b'{"token":"a","token":"b"}', b'\xff\xfe', b'"x"', b'{"token":1}'):
        head = f"POST /api/v1/session HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        assert raw(shop, head.encode() + body, 0.5).startswith(b"HTTP/1.1 400 "), body


def test_pipelined_requests_are_answered_in_order(shop):
    answer = raw(shop, b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\nHEAD /readyz HTTP/1.1\r\nHost: a\r\n\r\n"
                       b"GET /api/nope HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert re.findall(rb"HTTP/1\.1 (\d+) ", answer) == [b"200", b"200", b"404"], answer


def test_expect_100_continue(shop):
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(5)
        s.connect(str(shop.socket()))
        s.sendall(b"POST /api/v1/session HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
                  b"Content-Length: 13\r\nExpect: 100-continue\r\n\r\n")
        assert s.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        s.sendall(b'{"token":"x"}')
        assert s.recv(100).startswith(b"HTTP/1.1 401 ")


def test_many_connections_are_bounded_and_the_server_lives(shop):
    sockets = []
    for _ in range(600):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(2)
        s.connect(str(shop.socket()))
        sockets.append(s)
    time.sleep(0.2)
    for s in sockets:
        s.close()
    wait_until(lambda: shop.get("/healthz") == {"status": "ok"}, what="an answer")
