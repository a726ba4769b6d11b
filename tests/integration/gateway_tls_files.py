# SPDX-License-Identifier: Apache-2.0
"""Files of certificates: checked without an instance, missing when a core starts again, near their end."""
import os
import re
import socket
import subprocess

import pytest

from gateway_tls import SECURE_APP, Pki, Site, openssl, read_answer
from muelle import free_port, wait_until


@pytest.fixture
def site(muelle):
    return Site(muelle)


def write(site, tls, routes="[{host: a.test}]"):
    site.m.write("muelle.yaml", f"""
name: site
gateway: {{ listen: ["https://127.0.0.1:{site.port}"], tls: {tls}, admin: false }}
services:
  web: {{ command: python3 -u app.py, routes: {routes} }}
""")


TWO = "{certificates: [{cert: b.crt, key: b.key}, {cert: a.crt, key: a.key}]}"


@pytest.mark.parametrize("break_it, words", [
    (lambda p: (p.folder / "a.crt").unlink(), ["a.crt", "cannot be read", "muelle.yaml:3:"]),
    (lambda p: (p.folder / "a.key").unlink(), ["a.key", "cannot be read", "muelle.yaml:3:"]),
    (lambda p: (p.folder / "a.key").write_text((p.folder / "b.key").read_text()), ["a.key", "not that of the certificate"]),
    (lambda p: p.issue("a", "a.test", days=-1), ["a.crt", "expired", "renew it"]),
    (lambda p: (p.folder / "a.crt").write_text((p.folder / "a.crt").read_text() + (p.folder / "b.crt").read_text()),
     ["a.crt", "not in order", "then its issuer"]),
], ids=["no certificate", "no key", "another's key", "expired", "chain"])
def test_a_check_needs_no_instance_and_says_what_up_would(site, break_it, words):
    site.pki.issue("a", "a.test")
    site.pki.issue("b", "b.test")
    write(site, TWO)
    good = site.m.cli("check")
    assert "1 service, 1 route, nothing wrong" in good.stdout and not good.stderr
    break_it(site.pki)
    bad = site.m.cli("check", check=False)
    assert bad.returncode == 5
    for word in words:
        assert word in bad.stderr
    assert not (site.folder / ".muelle").exists()


def test_a_check_tells_of_doubts(site):
    site.pki.issue("a", "a.test", "*.w.test", days=5)
    write(site, "{certificates: [{cert: a.crt, key: a.key}]}",
          "[{host: a.test}, {host: x.w.test}, {host: '*.w.test'}, {host: y.x.w.test}, {host: b.test}, {path: /any}]")
    result = site.m.cli("check")
    lines = result.stderr.splitlines()
    assert ["no certificate is for y.x.w.test" in lines[1], "no certificate is for b.test" in lines[2]] == [True, True]
    assert "a.crt ends in 5 days" in lines[0] and len(lines) == 3 and "muelle.yaml:5:" in lines[1]
    named = (site.folder / "muelle.yaml").read_text().splitlines()[2].index("a.crt") + 1
    assert f"muelle.yaml:3:{named})" in lines[0]
    assert "1 service, 6 routes, valid, 3 notes" in result.stdout
    told = site.m.cli("up", "-d", "--wait")
    assert told.returncode == 0
    again = site.m.cli("reload").stderr  # what this command did not check itself it says all the same
    assert again.count("no certificate is for") == 2 and again.count("ends in 5 days") == 1
    write(site, "{}", "[{host: b.test}]")
    assert not site.m.cli("check").stderr  # the development authority will issue one
    site.m.write("muelle.yaml", (site.folder / "muelle.yaml").read_text().replace("python3 -u", "nowhere-to-be-found"))
    result = site.m.cli("check", check=False)
    assert result.returncode == 5 and "nowhere-to-be-found" in result.stderr


def test_a_name_in_the_subject_alone_is_told_of(site):
    openssl(site.folder, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "a.key",
            "-out", "a.crt", "-subj", "/CN=a.test", "-days", "60")
    site.pki.issue("b", "b.test", days=60)
    write(site, TWO, "[{host: a.test}, {host: b.test}]")
    lines = site.m.cli("check").stderr.splitlines()
    assert len(lines) == 1 and "a.crt has its name in the subject (CN) alone" in lines[0] and "subjectAltName" in lines[0]


def test_a_file_that_is_gone_when_the_core_starts_again_takes_nothing_away(site):
    site.pki.issue("a", "a.test")
    site.pki.issue("b", "b.test")
    site.up(TWO)
    (site.folder / "a.key").rename(site.folder / "a.key.away")
    site.m.kill("core")
    wait_until(lambda: "cannot be read" in site.m.own_log(), what="the word of the missing key")
    wait_until(lambda: site.m.cli("status", check=False).returncode == 0, what="the core")
    assert [site.shown(n) for n in ("a.test", "b.test")] == ["a.test", "b.test"]
    # The other one is still taken anew; and the missing one when it is back.
    site.pki.issue("b", "b.test", "c.test")
    wait_until(lambda: site.shown("c.test") == "b.test" and "c.test" in names(site, "c.test"), what="the renewed one")
    assert site.shown("a.test") == "a.test"
    site.m.kill("edge")
    wait_until(lambda: reaches(site), what="the next edge")
    assert site.shown("a.test") == "a.test"
    site.pki.issue("a", "a.test", "d.test")
    wait_until(lambda: "d.test" in names(site, "a.test"), what="the mended one")


def reaches(site):
    try:
        return site.get()[0] == 200
    except OSError:
        return False


def names(site, name):
    context = site.context(check_hostname=False)
    with site.connect(name, context) as s:
        return [value for _, value in s.getpeercert()["subjectAltName"]]


def kinds(site):
    return [(e["kind"], e["severity"], e["message"]) for e in site.m.get("/api/v1/events")["items"] if e["kind"].startswith("certificate")]


def shown_kinds(site):
    try:
        return [k[0] for k in kinds(site)]
    except (OSError, AssertionError):
        return []  # the core is away, or begins


def test_an_end_that_is_near_is_said_once(site):
    site.pki.issue("a", "a.test", "x.test", days=20)
    site.pki.issue("b", "b.test", days=400)
    site.up(TWO)
    items = site.m.get("/api/v1/projects/site/certificates")["items"]
    assert [(i["names"], i["days_left"], i["kept"], i["development"]) for i in items] == \
        [("b.test", 400, False, False), ("a.test x.test", 20, False, False)]
    wait_until(lambda: kinds(site), what="the event")
    site.up(TWO, routes="[{host: a.test}]")
    site.pki.issue("b", "b.test", days=300)
    wait_until(lambda: site.m.get("/api/v1/projects/site/certificates")["items"][0]["days_left"] == 300, what="the renewed one")
    assert [k[:2] for k in kinds(site)] == [("certificate.ending", "warning")]
    assert "a.crt ends on 20" in kinds(site)[0][2] and "days left: 20." in kinds(site)[0][2]
    shown = site.m.cli("status").stdout
    assert "a.crt ends in 20 days" in shown and "b.crt" not in shown
    text = site.m.request("GET", "/metrics")[2].decode()
    found = {name: float(value) for name, value in
             re.findall(r'muelle_certificate_expiry_seconds\{.*name="(\S+?)"\} (\S+)', text)}
    assert 19.9 * 86400 < found["a.test"] <= 20 * 86400 and 299.9 * 86400 < found["b.test"] <= 300 * 86400
    (site.folder / "a.key").unlink()
    site.m.kill("core")

    wait_until(lambda: "certificate.kept" in shown_kinds(site), what="the warning of the kept one")
    assert "its file is of no use" in site.m.cli("status").stdout
    site.pki.issue("a", "a.test", days=100)
    wait_until(lambda: "  certificate " not in site.m.cli("status").stdout, what="the mended one")


def test_certificates_of_the_development_authority_are_shown_but_worry_nobody(site):
    site.up("{}", env={"MUELLE_CA_DIR": str(site.folder / "dev")})
    (item,) = site.m.get("/api/v1/projects/site/certificates")["items"]
    assert item["file"] is None and item["development"] and item["days_left"] == 397 and "localhost" in item["names"]
    assert "  certificate " not in site.m.cli("status").stdout


class Responder:
    """OpenSSL's own, on a port of this machine, for the certificates of a Pki."""

    def __init__(self, pki, port, *options):
        self.command = ["openssl", "ocsp", "-index", "index.txt", "-CA", f"{pki.name}.crt", "-rsigner", f"{pki.name}.crt",
                        "-rkey", f"{pki.name}.key", "-port", str(port), *options]
        self.pki, self.port = pki, port

    def __enter__(self):
        # It serves one connection at a time and waits for ever: nobody may look whether it is there.
        self.process = subprocess.Popen(self.command, cwd=self.pki.folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        assert os.read(self.process.stderr.fileno(), 5) == b"ocsp:"  # it waits for connections
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


def issue_asking(pki, file, name, port, must=False):
    """A certificate that names a responder, with its chain, known to that responder as good."""
    pki.issue(file, name)
    (pki.folder / f"{file}.ext").write_text(f"subjectAltName=DNS:{name}\nauthorityInfoAccess=OCSP;URI:http://127.0.0.1:{port}/\n"
                                            + "tlsfeature=status_request\n" * must)
    openssl(pki.folder, "x509", "-req", "-in", f"{file}.csr", "-CA", f"{pki.name}.crt", "-CAkey", f"{pki.name}.key",
            "-out", f"{file}.crt", "-days", "30", "-extfile", f"{file}.ext")
    serial = subprocess.run(["openssl", "x509", "-in", f"{file}.crt", "-noout", "-serial"], cwd=pki.folder,
                            capture_output=True, check=True).stdout.decode().strip().split("=")[1]
    (pki.folder / "index.txt").write_text(f"V\t400101000000Z\t\t{serial}\tunknown\t/CN={name}\n")
    return serial


def stapled(site, name="a.test"):
    out = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{site.port}", "-servername", name, "-status"],
                         input=b"", capture_output=True, timeout=20).stdout.decode()
    return "OCSP Response Status: successful" in out and "Cert Status: good" in out


ONE = "{certificates: [{cert: a.crt, key: a.key, chain: ca.crt}]}"


def served(site):
    return site.m.get("/api/v1/projects/site/certificates")["items"][0]


def test_answers_of_the_responder_are_fetched_and_stapled(site):
    port = free_port()
    serial = issue_asking(site.pki, "a", "a.test", port, must=True)
    with Responder(site.pki, port, "-nmin", "10"):
        site.up(ONE)
        wait_until(lambda: stapled(site), what="the stapled answer")
        assert served(site)["must_staple"] and served(site)["stapled_until"]
    # It lies in the folder: the next core staples it, with the responder away.
    assert len(list((site.folder / ".muelle" / "ocsp").iterdir())) == 1
    site.m.kill("core")
    site.m.kill("edge")
    wait_until(lambda: reaches(site), what="the next edge")
    assert stapled(site)
    assert serial and not [k for k in shown_kinds(site) if k == "certificate.unstapled"]


def test_an_answer_that_says_revoked_or_is_a_strangers_is_not_stapled(site):
    port = free_port()
    issue_asking(site.pki, "a", "a.test", port, must=True)
    index = site.folder / "index.txt"
    index.write_text(index.read_text().replace("V\t400101000000Z\t\t", "R\t400101000000Z\t250101000000Z\t"))
    with Responder(site.pki, port, "-nmin", "10"):
        site.up(ONE)
        wait_until(lambda: "certificate.unstapled" in shown_kinds(site), what="the event")
        assert "revoked" in kinds(site)[0][2] and kinds(site)[0][1] == "warning"
        assert not stapled(site) and reaches(site)
    assert not list((site.folder / ".muelle" / "ocsp").iterdir())


def test_an_answer_that_has_ended_is_dropped(site):
    port = free_port()
    issue_asking(site.pki, "a", "a.test", port)
    with Responder(site.pki, port, "-nmin", "10"):
        site.up(ONE)
        wait_until(lambda: stapled(site), what="the stapled answer")
    (kept,) = (site.folder / ".muelle" / "ocsp").iterdir()
    old = kept.read_bytes()
    openssl(site.folder, "ocsp", "-index", "index.txt", "-CA", "ca.crt", "-rsigner", "ca.crt", "-rkey", "ca.key", "-issuer", "ca.crt",
            "-cert", "a.crt", "-respout", str(kept), "-nmin", "1", "-noverify")
    damaged = bytearray(old)
    damaged[len(damaged) // 2] ^= 1
    kept.write_bytes(bytes(damaged))
    site.m.kill("core")
    wait_until(lambda: not stapled(site), what="a damaged answer is not taken")
    wait_until(lambda: shown_kinds(site), what="the core")
    assert served(site)["stapled_until"] is None


def test_nobody_is_asked_when_fetching_is_off(site):
    port = free_port()
    issue_asking(site.pki, "a", "a.test", port, must=True)
    asked = socket.create_server(("127.0.0.1", port))
    asked.setblocking(False)
    site.up(ONE[:-1] + ", ocsp_fetch: false}")
    assert reaches(site) and not stapled(site)
    assert not (site.folder / ".muelle" / "ocsp").exists()
    assert served(site)["unstapled"] == "gateway.tls.ocsp_fetch is false" and not shown_kinds(site)
    with pytest.raises(BlockingIOError):
        asked.accept()
    asked.close()
    with Responder(site.pki, port, "-nmin", "10"):
        plan = site.up(ONE)
        wait_until(lambda: stapled(site), what="the stapled answer")
        assert plan.returncode == 0 and served(site)["unstapled"] is None
        site.up(ONE[:-1] + ", ocsp_fetch: false}")
        wait_until(lambda: not stapled(site), what="that the answer is dropped")


@pytest.mark.parametrize("tls, chain, words", [
    (ONE[:-1] + ", ocsp_fetch: false}", True, "gateway.tls.ocsp_fetch is false"),
    ("{certificates: [{cert: a.crt, key: a.key}]}", False, "its chain lacks the issuer"),
    ("{certificates: [{cert: a.crt, key: a.key, chain: ca.crt}]}", None, "it names no responder"),
], ids=["off", "no chain", "no responder"])
def test_a_certificate_that_demands_an_answer_and_can_have_none_is_told(site, tls, chain, words):
    issue_asking(site.pki, "a", "a.test", free_port(), must=True)
    if chain is None:
        (site.folder / "a.ext").write_text("subjectAltName=DNS:a.test\ntlsfeature=status_request\n")
        openssl(site.folder, "x509", "-req", "-in", "a.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-out", "a.crt", "-days", "30",
                "-extfile", "a.ext")
    write(site, tls)
    told = site.m.cli("check")
    assert told.returncode == 0 and words in told.stderr and "must-staple" in told.stderr and "muelle.yaml:3:" in told.stderr
    assert words in site.m.cli("up", "-d", "--wait").stderr
    assert "demands a stapled OCSP answer and has none: " + words in site.m.cli("status").stdout
    assert reaches(site) and not stapled(site)


def test_an_answer_in_a_file_that_has_ended_is_told_and_not_shown(site):
    serial = issue_asking(site.pki, "a", "a.test", 1)
    assert serial
    answer = ["ocsp", "-index", "index.txt", "-CA", "ca.crt", "-rsigner", "ca.crt", "-rkey", "ca.key", "-issuer", "ca.crt", "-cert", "a.crt",
              "-respout", "a.ocsp", "-noverify"]
    with_file = "{certificates: [{cert: a.crt, key: a.key, ocsp: a.ocsp}]}"
    openssl(site.folder, *answer, "-ndays", "1")
    site.up(with_file)
    assert stapled(site) and served(site)["stapled_until"]
    old = (site.folder / "a.ocsp").read_bytes()  # nothing is signed anew: who serves it need not know its signer
    (site.folder / "a.ocsp").write_bytes(re.sub(rb"(\x18\x0f)20(?=\d{12}Z)", lambda found: found[1] + b"19", old))
    wait_until(lambda: not stapled(site), what="the one that has ended")
    assert "a.crt has no OCSP answer to staple: the one in its file has ended" in site.m.cli("check").stderr
    assert served(site)["unstapled"] == "the one in its file has ended"
    openssl(site.folder, *answer, "-ndays", "1")
    wait_until(lambda: stapled(site), what="the newer one")


def test_a_file_that_changes_for_the_worse_is_told(site):
    site.pki.issue("a", "a.test")
    site.pki.issue("b", "b.test")
    site.up(TWO)
    good = (site.folder / "a.crt").read_text()
    (site.folder / "a.crt").write_text("nothing")
    wait_until(lambda: "certificate.kept" in shown_kinds(site), what="the event")
    assert [site.shown(n) for n in ("a.test", "b.test")] == ["a.test", "b.test"]
    assert "a.crt" in (told := site.m.cli("status").stdout) and "mend it" in told
    kept = {item["file"].rpartition("/")[2]: item["kept"] for item in site.m.get("/api/v1/projects/site/certificates")["items"]}
    assert kept == {"a.crt": True, "b.crt": False}
    (site.folder / "a.crt").write_text(good)
    wait_until(lambda: "mend it" not in site.m.cli("status").stdout, what="the end of it")
    assert shown_kinds(site).count("certificate.kept") == 1


def told_of_files(site):
    """What was said of files that are of no use, or again of use."""
    return [(kind, message.replace(f"{site.folder}/", "")) for kind, _, message in kinds(site) if kind in ("certificate.kept", "certificate.mended")]


def test_a_file_that_is_of_no_use_is_told_with_the_reason_and_so_is_that_it_is_mended(site):
    site.pki.issue("a", "a.test")
    site.pki.issue("b", "b.test")
    site.up(TWO)
    words = "; the one that served before serves on until it is mended."
    no_pem, misfit = "there is no certificate in it", "b.key: the key is not that of the certificate"
    good = (site.folder / "a.crt").read_text()
    (site.folder / "a.crt").write_text("nothing")
    wait_until(lambda: len(told_of_files(site)) == 1, what="the event of the break")
    assert f"its file is of no use ({no_pem})" in site.m.cli("status").stdout
    (site.folder / "a.crt").write_text(good)
    wait_until(lambda: len(told_of_files(site)) == 2, what="the event of the mended one")
    (site.folder / "b.key").write_text((site.folder / "a.key").read_text())
    wait_until(lambda: len(told_of_files(site)) == 3, what="the event of the next break")
    reasons = {i["names"]: i["kept_reason"] for i in site.m.get("/api/v1/projects/site/certificates")["items"]}
    assert {n: r and r.replace(f"{site.folder}/", "") for n, r in reasons.items()} == {"a.test": None, "b.test": misfit}
    site.pki.issue("b", "b.test", days=300)  # another one than before
    wait_until(lambda: len(told_of_files(site)) == 4, what="the event of the renewed one")
    assert told_of_files(site) == [
        ("certificate.kept", f"The certificate a.crt cannot be used ({no_pem}){words}"),
        ("certificate.mended", "The certificate a.crt can be used again, and serves."),
        ("certificate.kept", f"The certificate b.crt cannot be used ({misfit}){words}"),
        ("certificate.mended", "The certificate b.crt can be used again, and serves.")]
    assert [site.shown(n) for n in ("a.test", "b.test")] == ["a.test", "b.test"]


def test_an_authority_of_clients_whose_file_is_gone_stays_in_force_and_certificates_are_taken(site):
    site.pki.issue("a", "a.test")
    site.pki.issue("b", "b.test")
    authority = site.folder / "clients.pem"
    authority.write_text((site.folder / "ca.crt").read_text())
    site.up(TWO[:-1] + ", client_ca: clients.pem, client_certificate: required}")
    authority.unlink()
    wait_until(lambda: "clients.pem: cannot be read" in site.m.own_log(), what="the word of it")
    site.pki.issue("b", "b.test", "c.test")
    wait_until(lambda: "c.test" in names(site, "b.test"), what="the renewed one")
    with pytest.raises(OSError):
        site.get()
    assert "out of memory" not in site.m.own_log()


def test_an_authority_of_clients_outlives_its_file_and_the_core(site):
    clients = Pki(site.folder, "clients")
    clients.issue("alice", "alice")
    site.pki.issue("a", "a.test")
    site.pki.issue("b", "b.test")
    site.up(TWO[:-1] + ", client_ca: clients.crt, client_certificate: required}", routes="[{host: a.test}]")
    (site.folder / "clients.crt").unlink()
    site.m.kill("core")
    wait_until(lambda: "clients.crt: cannot be read" in site.m.own_log(), what="the word of it")
    site.pki.issue("b", "b.test", "c.test")
    site.m.cli("ps")
    wait_until(lambda: "c.test" in names(site, "b.test"), what="the renewed one")
    with pytest.raises(OSError):
        site.get()
    known = site.context()
    known.load_cert_chain(site.folder / "alice.crt", site.folder / "alice.key")
    assert site.get(context=known)[0] == 200


def test_the_authority_of_a_service_outlives_its_file_and_the_core(site):
    site.pki.issue("up", "up.test")
    site.pki.issue("gateway", "gateway")
    site.m.write("app.py", SECURE_APP)
    (site.folder / "trusted.crt").write_text((site.folder / "ca.crt").read_text())
    site.m.write("muelle.yaml", f"""
name: site
gateway: {{ listen: ["http://127.0.0.1:{site.plain}"], admin: false, threads: 1 }}
services:
  web:
    command: python3 -u app.py
    environment: {{ ASK: "1" }}
    routes: [{{path: /}}]
    traffic: {{ hold: 0, tls: {{ ca: trusted.crt, server_name: up.test, cert: gateway.crt, key: gateway.key }} }}
""")
    site.m.cli("up", "-d", "--wait")

    def status():
        with socket.create_connection(("127.0.0.1", site.plain), timeout=10) as s:
            s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            return read_answer(s)[0]

    wait_until(lambda: status() == 200, what="an answer")
    (site.folder / "trusted.crt").unlink()
    (site.folder / "gateway.key").unlink()
    wait_until(lambda: "trusted.crt: cannot be read" in site.m.own_log() and "gateway.key: cannot be read" in site.m.own_log(), what="the word of it")
    site.m.kill("core", "edge")
    site.m.cli("ps")
    site.m.cli("reload", check=False)
    site.m.kill("edge")  # whose connections to the service are gone: there are new handshakes
    wait_until(lambda: status() == 200, what="an answer")
    site.pki.issue("up", "up.test", "also.test")
    assert [status() for _ in range(5)] == [200] * 5
