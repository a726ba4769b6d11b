# SPDX-License-Identifier: Apache-2.0
"""The state folder: what is in it survives, and what cannot be used is refused with a reason, untouched."""
import sqlite3

import pytest

from muelle import free_port, wait_until


@pytest.fixture
def shop(muelle):
    muelle.write("muelle.yaml", f"""
name: shop
gateway:
  listen: [ "http://127.0.0.1:{free_port()}" ]
  admin: "http://127.0.0.1:{free_port()}"
services:
  idle: {{ command: sleep 3600 }}
""")
    return muelle


def test_events_and_overrides_survive_the_core_and_keep_their_sequence(shop):
    shop.up()
    shop.cli("scale", "idle=3")
    wait_until(lambda: [row["state"] for row in shop.ps()] == ["running"] * 3, 10, "three replicas")
    before = shop.get("/api/v1/events?limit=1000")["items"]
    pids = {row["pid"] for row in shop.ps()}
    shop.kill("core")
    wait_until(lambda: shop.cli("status", "--json", check=False).returncode == 0, 10, "the core")
    wait_until(lambda: {row["pid"] for row in shop.ps()} == pids, 10, "the same three processes")
    after = shop.get("/api/v1/events?limit=1000")["items"]
    assert after[:len(before)] == before
    assert [e["seq"] for e in after] == list(range(1, len(after) + 1))
    service = shop.get("/api/v1/projects/shop/services/idle")
    assert [o["value"] for o in service["overrides"]] in ([3], ["3"])


@pytest.mark.parametrize("harm,words", [
    (lambda path: change(path, "PRAGMA user_version = 99"), "newer version"),
    (lambda path: change(path, "UPDATE migration SET checksum = 1"), "migration 1"),
    (lambda path: change(path, "PRAGMA application_id = 5"), "another program"),
    (lambda path: path.write_bytes(b"this is no database, this is no database" * 100), "not a database"),
], ids=["newer", "edited", "foreign", "garbage"])
def test_a_database_that_cannot_be_used_is_refused(shop, harm, words):
    shop.up()
    shop.down()
    database = shop.state / "work.db"
    for name in ("work.db-wal", "work.db-shm"):
        (shop.state / name).unlink(missing_ok=True)
    harm(database)
    content = database.read_bytes()
    result = shop.cli("up", "-d", "--wait", check=False)
    assert result.returncode != 0
    assert words in result.stderr and "work.db" in result.stderr, result.stderr
    assert database.read_bytes() == content
    assert shop.cli("status", check=False).returncode != 0  # nothing was left running


def change(path, sql):
    connection = sqlite3.connect(path)
    connection.execute(sql)
    connection.commit()
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def test_every_table_knows_tenant_project_origin_and_generation(shop):
    shop.up()
    connection = sqlite3.connect(f"file:{shop.state / 'work.db'}?mode=ro", uri=True)
    tables = [row[0] for row in connection.execute(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name != 'migration'")]
    for table in tables:
        columns = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
        assert {"tenant", "project", "origin", "generation"} <= columns, table
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
