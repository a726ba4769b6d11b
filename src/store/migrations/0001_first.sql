-- SPDX-License-Identifier: Apache-2.0
-- The first schema of work.db. Frozen: a change is a new file; the checksum of this one is in every
-- database that was ever made with it. Times are nanoseconds since 1970 (UTC). Every table knows tenant,
-- project, origin ('file', 'api' or 'muelle' = made by itself) and generation; '' = not of a project.

CREATE TABLE instance (
    one        INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    id         TEXT    NOT NULL,
    version    TEXT    NOT NULL,
    tenant     TEXT    NOT NULL DEFAULT '',
    project    TEXT    NOT NULL DEFAULT '',
    origin     TEXT    NOT NULL DEFAULT 'muelle',
    generation INTEGER NOT NULL DEFAULT 1,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE tenant (
    tenant     TEXT    NOT NULL PRIMARY KEY,
    project    TEXT    NOT NULL DEFAULT '',
    origin     TEXT    NOT NULL DEFAULT 'muelle',
    generation INTEGER NOT NULL DEFAULT 1,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- spec: JSON of what was applied (files, environment, profiles, the project as understood).
CREATE TABLE project (
    tenant     TEXT    NOT NULL,
    project    TEXT    NOT NULL,
    origin     TEXT    NOT NULL,
    generation INTEGER NOT NULL,
    state      TEXT    NOT NULL DEFAULT 'active',
    spec       TEXT    NOT NULL,
    actor      TEXT    NOT NULL,
    applied_at INTEGER NOT NULL,
    PRIMARY KEY (tenant, project)
) STRICT, WITHOUT ROWID;

-- replica = 0: the whole service.
CREATE TABLE override (
    tenant     TEXT    NOT NULL,
    project    TEXT    NOT NULL,
    service    TEXT    NOT NULL,
    replica    INTEGER NOT NULL DEFAULT 0,
    field      TEXT    NOT NULL,
    value      TEXT    NOT NULL,
    origin     TEXT    NOT NULL,
    generation INTEGER NOT NULL,
    actor      TEXT    NOT NULL,
    time       INTEGER NOT NULL,
    PRIMARY KEY (tenant, project, service, replica, field)
) STRICT, WITHOUT ROWID;

-- The last known state of each replica. exit and ports are JSON.
CREATE TABLE replica (
    tenant     TEXT    NOT NULL,
    project    TEXT    NOT NULL,
    service    TEXT    NOT NULL,
    replica    INTEGER NOT NULL,
    origin     TEXT    NOT NULL,
    generation INTEGER NOT NULL,
    state      TEXT    NOT NULL,
    restarts   INTEGER NOT NULL DEFAULT 0,
    reason     TEXT    NOT NULL DEFAULT '',
    exit       TEXT    NOT NULL DEFAULT '',
    ports      TEXT    NOT NULL DEFAULT '',
    spec_hash  TEXT    NOT NULL DEFAULT '',
    started_at INTEGER NOT NULL DEFAULT 0,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (tenant, project, service, replica)
) STRICT, WITHOUT ROWID;

-- AUTOINCREMENT: a sequence number is never given twice, not even after the newest rows were trimmed.
CREATE TABLE event (
    seq        INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    time       INTEGER NOT NULL,
    kind       TEXT    NOT NULL,
    severity   TEXT    NOT NULL,
    tenant     TEXT    NOT NULL,
    project    TEXT    NOT NULL DEFAULT '',
    service    TEXT    NOT NULL DEFAULT '',
    replica    INTEGER NOT NULL DEFAULT 0,
    origin     TEXT    NOT NULL DEFAULT 'muelle',
    generation INTEGER NOT NULL DEFAULT 0,
    actor      TEXT    NOT NULL,
    cause      TEXT    NOT NULL DEFAULT '',
    message    TEXT    NOT NULL,
    data       TEXT    NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX event_by_project ON event (tenant, project, seq);
CREATE INDEX event_by_service ON event (tenant, project, service, seq);
CREATE INDEX event_by_kind ON event (kind, seq);

-- response: the answer that was given, to be given again for the same key by the same actor.
CREATE TABLE idempotency (
    actor        TEXT    NOT NULL,
    key          TEXT    NOT NULL,
    tenant       TEXT    NOT NULL,
    project      TEXT    NOT NULL DEFAULT '',
    origin       TEXT    NOT NULL DEFAULT 'api',
    generation   INTEGER NOT NULL DEFAULT 0,
    request_hash TEXT    NOT NULL,
    status       INTEGER NOT NULL,
    response     BLOB    NOT NULL,
    time         INTEGER NOT NULL,
    PRIMARY KEY (actor, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_by_time ON idempotency (time);

CREATE TABLE setting (
    tenant     TEXT    NOT NULL,
    project    TEXT    NOT NULL DEFAULT '',
    name       TEXT    NOT NULL,
    value      TEXT    NOT NULL,
    origin     TEXT    NOT NULL,
    generation INTEGER NOT NULL,
    actor      TEXT    NOT NULL,
    time       INTEGER NOT NULL,
    PRIMARY KEY (tenant, project, name)
) STRICT, WITHOUT ROWID;
