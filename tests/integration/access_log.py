# SPDX-License-Identifier: Apache-2.0
"""gateway.access_log in the real program: formats, members, samples, files that are moved away."""
import json
import re
import socket
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from h2_peer import H2Client
from muelle import free_port, wait_until

WEB = """
import http.server, os
class H(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.send_response(404 if "gone" in self.path else 200)
        self.send_header("Content-Length", "2"); self.end_headers(); self.wfile.write(b"ok")
    def log_message(self, *a): pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), H).serve_forever()
"""


def configure(muelle, access_log):
    muelle.write("muelle.yaml", f"""
name: shop
gateway:
  listen: [ "http://127.0.0.1:{muelle.port}" ]
  admin: false
  access_log: {access_log}
services:
  web: {{ command: /usr/bin/python3 web.py, routes: [ {{ path: / }} ] }}
""")


def start(muelle, access_log):
    muelle.port = free_port()
    muelle.write("web.py", WEB)
    configure(muelle, access_log)
    muelle.up()


def page(muelle, path, host):
    with socket.create_connection(("127.0.0.1", muelle.port), 5) as client:
        client.sendall(f"{path}Host: {host}\r\nConnection: close\r\n\r\n".encode())
        return client.makefile("rb").read().decode()


def ask(muelle, path, **headers):
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(f"http://127.0.0.1:{muelle.port}{path}", headers=fields)
    try:
        urllib.request.urlopen(request, timeout=5).read()
    except urllib.error.HTTPError as error:
        error.read()


def lines(muelle, name):
    path = Path(muelle.folder) / name
    return path.read_text().splitlines() if path.exists() else []


def stored(muelle):
    return [json.loads(line) for line in muelle.cli("logs", "edge", "--no-prefix").stdout.splitlines()]


def test_combined_lines_go_to_a_file_and_json_stays_in_the_log(muelle):
    start(muelle, "{ format: combined, file: access.log }")
    ask(muelle, "/a?token=secret", User_Agent='Mine "1"', Referer="http://from.example/x?y=secret", Host="any.example")
    wait_until(lambda: lines(muelle, "access.log"))
    line = lines(muelle, "access.log")[0]
    assert re.fullmatch(r'127\.0\.0\.1 - - \[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d \+0000\] "GET /a HTTP/1\.1" 200 2 '
                        r'"http://from\.example/x" "Mine \\x221\\x22"', line), line
    record = stored(muelle)[-1]
    assert record["host"] == "any.example" and record["path"] == "/a" and record["protocol"] == "HTTP/1.1"
    assert "secret" not in json.dumps(record) and "user_agent" not in record
    # logrotate moves the file away and says nothing
    (Path(muelle.folder) / "access.log").rename(Path(muelle.folder) / "access.log.1")
    ask(muelle, "/b")
    wait_until(lambda: lines(muelle, "access.log"))
    assert len(lines(muelle, "access.log")) == 1 and len(lines(muelle, "access.log.1")) == 1


def test_members_and_samples_change_under_load(muelle):
    start(muelle, "{ fields: [status, path, user_agent] }")
    ask(muelle, "/first", User_Agent="x")
    wait_until(lambda: stored(muelle) == [{"status": 200, "path": "/first", "user_agent": "x"}])
    configure(muelle, "{ sample: 0.25 }")
    muelle.cli("reload")
    for _ in range(40):
        ask(muelle, "/good")
    for _ in range(5):
        ask(muelle, "/gone")

    def kept(path):
        return sum(record["path"] == path for record in stored(muelle))
    wait_until(lambda: kept("/gone") == 5)
    assert 8 <= kept("/good") <= 12, kept("/good")
    metrics = muelle.request("GET", "/api/metrics")[2]
    assert metrics["edge"]["records_unsampled"] == 40 - kept("/good")
    total = metrics["services"][0]["durations"]["total"]
    assert total["count"] == 46  # counted are all
    assert total["p50_ms"] <= total["p90_ms"] <= total["p99_ms"] and metrics["edge"]["records_dropped"] == 0


def test_a_file_that_cannot_be_written_is_counted_and_told(muelle):
    start(muelle, "{ file: no/such/folder/access.log }")
    ask(muelle, "/a")
    wait_until(lambda: muelle.request("GET", "/api/metrics")[2]["logs"]["access_records_unwritten"] == 1)
    assert stored(muelle)[-1]["path"] == "/a"
    said = next(line for line in (muelle.state / "muelle.log").read_text().splitlines() if "gateway.access_log.file" in line)
    assert re.match(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z warning core: the file of an access log ", said), said
    records = next(row for row in json.loads(muelle.cli("doctor", "--json").stdout) if row["check"] == "records")
    assert records["verdict"] == "warning" and "1 in the file" in records["what"]
    assert "gateway.access_log.file" in records["hint"]


def test_a_file_that_could_not_be_written_is_noted_with_its_place(muelle):
    muelle.port = free_port()
    muelle.write("web.py", WEB)
    folder = Path(muelle.folder)
    (folder / "a-folder").mkdir()
    (folder / "fine.log").write_text("")

    def notes(access_log):
        configure(muelle, access_log)
        result = muelle.cli("check")
        return [line for line in result.stderr.splitlines() if "access log" in line]

    for file, words in (("no/such/access.log", "No such file or directory"), ("a-folder", "Is a directory"),
                        ("web.py/access.log", "Not a directory")):
        said = notes(f"{{ file: {file} }}")
        assert len(said) == 1 and words in said[0] and f"{folder}/muelle.yaml:6:23" in said[0], said
    for log in ("{ file: fine.log }", "{ file: a-folder/new.log }", "{ file: stdout }", "{ file: no/such/one, format: off }"):
        assert notes(log) == [], log
    configure(muelle, "{ file: no/such/access.log }")
    assert "make the folder" in muelle.cli("up", "-d", "--wait").stderr
    assert not (folder / "no").exists() and not (folder / "a-folder/new.log").exists(), "nothing was made"


def test_with_off_nothing_is_kept_of_any_request(muelle):
    start(muelle, "{ format: off }")
    ask(muelle, "/gone")
    time.sleep(0.3)
    assert stored(muelle) == []
    assert muelle.request("GET", "/api/metrics")[2]["services"][0]["durations"]["total"]["count"] == 1


def test_requests_that_no_route_took_are_shown_too(muelle):
    start(muelle, "{}")
    muelle.write("muelle.yaml", (muelle.folder / "muelle.yaml").read_text().replace("path: /", "host: known.example"))
    muelle.cli("reload")
    ask(muelle, "/lost?q=1", Host="unknown.example")
    record = wait_until(lambda: [line for line in stored(muelle) if line["host"] == "unknown.example"])[0]
    assert record["path"] == "/lost" and record["status"] == 404 and record["flags"] == ["local"]
    assert record["code"] == "edge.no-route"
    assert " GET unknown.example/lost 404 edge.no-route " in muelle.cli("logs", "edge").stdout
    assert "service" not in record
    assert "<p>No route fits this host and path.</p>" in page(muelle, "GET / HTTP/1.1\r\n", "unknown.example")
    assert "<p>Only one empty line may stand in front of a request.</p>" in page(muelle, "\r\n" * 8 + "GET / HTTP/1.1\r\n", "x")
    # asked for another service nothing of the gateway is shown
    assert muelle.cli("logs", "web", "--grep", "unknown.example").stdout == ""


LINES = {
    "": "127.0.0.1 GET 127.0.0.1:{port}/gone 404 2 B {ms} ms web-1",
    "[time, client, method, host, path, status, replica]": "127.0.0.1 GET 127.0.0.1:{port}/gone 404 web-1",
    "[time, method, status, duration_ms]": "GET 404 {ms} ms",
    "[bytes_out, path]": "/gone 2 B",
    "[protocol, wait_ms]": '{"protocol":"HTTP/1.1","wait_ms":{ms}}',  # nothing that the line has: as it is
}


@pytest.mark.parametrize("fields", LINES)
def test_a_record_is_shown_with_the_members_that_it_has(muelle, fields):
    start(muelle, f"{{ fields: {fields} }}" if fields else "{}")
    ask(muelle, "/gone")
    wait_until(lambda: len(stored(muelle)) == 1)
    shown = muelle.cli("logs", "edge").stdout.removeprefix("edge | ").strip()
    expected = re.escape(LINES[fields].replace("{port}", str(muelle.port))).replace(re.escape("{ms}"), r"[\d.]+")
    assert re.fullmatch(expected, shown), shown


REFUSED = {
    b"GET /a?token=secret HTTP/1.1\r\n\r\n": (400, "GET", "/a"),
    b"GET http://h.test/b?token=secret HTTP/1.1\r\nHost: h.test\r\nHost: i.test\r\n\r\n": (400, "GET", "/b"),
    b"GET http://me:secret@h.test/n?q HTTP/3.7\r\nHost: h.test\r\n\r\n": (505, "GET", "/n"),
    b"GET http://me:se/cret@h.test/m HTTP/3.7\r\nHost: h.test\r\n\r\n": (505, "GET", "/m"),
    b"GET me:secret@h.test HTTP/3.7\r\nHost: h.test\r\n\r\n": (505, "GET", ""),
    b"GET http://me:secret@h.test HTTP/3.7\r\nHost: h.test\r\n\r\n": (505, "GET", ""),
    b"POST /c and more HTTP/1.1\r\nHost: x\r\n\r\n": (400, "POST", "/c"),
    b"PUT /d HTTP/3.7\r\nHost: x\r\n\r\n": (505, "PUT", "/d"),
    b"BREW /e HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n": (400, "OTHER", "/e"),
    b"GET /" + 9000 * b"f" + b" HTTP/1.1\r\nHost: x\r\n\r\n": (414, "GET", "/" + 111 * "f"),
    b"GET /?token=" + 9000 * b"f" + b" HTTP/1.1\r\nHost: x\r\n\r\n": (414, "GET", "/"),
    b"GET /g HTTP/1.1\r\nHost: x\r\nA: " + 9000 * b"f" + b"\r\n\r\n": (431, "GET", "/g"),
    b"GET http://me:a/secret?b@x/i?c@d/e HTTP/3.7\r\nHost: x\r\n\r\n": (505, "GET", "/e"),
    b"GET http://me:a/secret?b@x/j?c HTTP/3.7\r\nHost: x\r\n\r\n": (505, "GET", "/j"),
    b"DELETE /h\x1b[2J HTTP/1.1\r\nHost: x\r\n\r\n": (400, "DELETE", "/h"),
    b"password=secret&more=secret\r\n\r\n": (400, "OTHER", ""),  # a body that went astray is no request line
    b"\x16\x03\x01\x02\x00\x01": (400, "OTHER", ""),
}


@pytest.mark.parametrize("format", ["json", "combined"])
def test_of_a_refused_head_what_was_read_of_its_line_is_shown(muelle, format):
    start(muelle, f"{{ file: lines, format: {format} }}")
    for said, (status, _, _) in REFUSED.items():
        with socket.create_connection(("127.0.0.1", muelle.port), 5) as client:
            client.sendall(said)
            assert client.recv(12) == f"HTTP/1.1 {status}".encode(), said
    records = wait_until(lambda: len(stored(muelle)) == len(REFUSED) and stored(muelle))
    shown = sorted((line["status"], line["method"], line["path"]) for line in records)
    assert shown == sorted(REFUSED.values())
    assert "secret" not in muelle.cli("logs", "edge").stdout + muelle.cli("logs", "edge", "--no-prefix").stdout
    assert [line["path"] for line in records if "path_cut" in line["flags"]] == ["/" + 111 * "f"]


def test_of_a_head_of_http2_that_is_refused_too(muelle):
    start(muelle, "{}")
    asked = {1: ("/a?token=secret", tuple((f"x{i}", "1") for i in range(120))), 3: ("/b\"?token=secret", ()), 5: ("/" + 9000 * "c", ()),
             7: ("/d", (("x", 9000 * "e"),))}
    with H2Client(muelle.port) as client:
        for stream, (path, fields) in asked.items():
            client.ask(stream, path, *fields)
        assert client.until(lambda: all(client.answer(stream).over for stream in asked))
    records = wait_until(lambda: len(stored(muelle)) == len(asked) and stored(muelle))
    assert sorted((line["path"], line["status"]) for line in records) == [
        ("/a", 431), ("/b", 400), ("/" + 111 * "c", 414), ("/d", 431)]
    assert {line["method"] for line in records} == {"GET"} and {line["protocol"] for line in records} == {"HTTP/2.0"}


def test_of_a_head_that_does_not_come_whole_too(muelle):
    start(muelle, "{}\n  limits: { header_timeout: 300ms }")
    with socket.create_connection(("127.0.0.1", muelle.port), 5) as client:
        client.sendall(b"GET /slow?token=secret HTTP/1.1\r\nHost: x\r\n")
        assert client.recv(12) == b"HTTP/1.1 408"
    record = wait_until(lambda: stored(muelle))[0]
    assert (record["method"], record["path"], record["status"]) == ("GET", "/slow", 408)
