# SPDX-License-Identifier: Apache-2.0
"""What is published about configurations is current, and true of real files.

To bring the files up to date: script in the failure message.
"""
import json
import subprocess
from pathlib import Path

import jsonschema
import pytest
import yaml

from config_compose import FILES, ROOT
from muelle import BINARY

WRITER = BINARY.parent / "tests" / "tools" / "schema_doc"
SCHEMA = ROOT / "docs" / "muelle.schema.json"
REFERENCE = ROOT / "docs" / "configuration.md"
MARK = "<!-- What follows is written by build/tests/tools/schema_doc markdown. -->\n"


def written(kind):
    return subprocess.run([WRITER, kind], capture_output=True, text=True, check=True, timeout=60).stdout


@pytest.fixture(scope="module")
def validator():
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_the_schema_for_editors_is_current():
    assert SCHEMA.read_text() == written("json"), "run: build/tests/tools/schema_doc json > docs/muelle.schema.json"


def test_the_reference_is_current():
    reference = REFERENCE.read_text().partition(MARK)[2]
    assert reference == written("markdown"), f"replace what follows the mark in {REFERENCE.name} by: {WRITER} markdown"


@pytest.mark.parametrize("source", FILES + sorted((ROOT / "examples").glob("*/muelle.yaml")), ids=lambda p: f"{p.parent.name}-{p.stem}")
def test_real_files_are_valid(source, validator):
    validator.validate(yaml.safe_load(source.read_text()))


@pytest.mark.parametrize("service", [
    {"comand": "x"}, {"command": {"a": 1}}, {"command": "x", "scale": -1}, {"command": "x", "tty": []},
    {"command": "x", "routes": [{"balance": "fair"}]}, {"command": "x", "deploy": {"replcas": 1}}])
def test_mistakes_are_not(service, validator):
    assert list(validator.iter_errors({"services": {"a": service}}))


@pytest.mark.parametrize("service", [
    {"command": "x"}, {"command": ["x", "y"], "x-own": {"a": 1}}, {"command": "x", "ports": ["80:80", 5, {"target": 1}]},
    {"command": "x", "environment": ["A=1", "B"]}, {"command": "x", "environment": {"A": 1, "B": None}},
    {"command": "x", "depends_on": ["a"]}, {"command": "x", "depends_on": {"a": {"condition": "service_healthy"}}},
    {"command": "x", "healthcheck": {"tcp": True, "interval": "1m30s"}}, {"image": "x", "build": "."}])
def test_all_forms_are(service, validator):
    validator.validate({"services": {"a": service}})
