# SPDX-License-Identifier: Apache-2.0
"""Every example of docs/gateway.md is a configuration that is taken as it stands."""
import re

import pytest

from config_compose import config
from muelle import ROOT

SERVICE = "services: {{ web: {{ command: ./web }} }}\n{}"
ROUTE_OF_SERVICE = "services:\n  web:\n    command: ./web\n{}"


def examples():
    """(line, text) of each block; what is shown of a service or of the gateway alone gets the rest around it."""
    page = (ROOT / "docs" / "gateway.md").read_text()
    for block in re.finditer(r"```yaml\n(.*?)^```$", page, re.S | re.M):
        line, text = page.count("\n", 0, block.start()) + 2, block.group(1)
        if text.startswith("routes:"):
            text = ROUTE_OF_SERVICE.format(re.sub("^", "    ", text, flags=re.M))
        elif not re.search("^services:", text, re.M):
            text = SERVICE.format(text)
        yield pytest.param(text, id=f"line {line}")


@pytest.mark.parametrize("text", examples())
def test_an_example_of_the_manual_is_taken_as_it_stands(tmp_path, text):
    (tmp_path / "muelle.yaml").write_text(text)
    result = config(tmp_path, "--strict")
    assert result.returncode == 0, result.stdout + result.stderr


def test_each_block_of_the_manual_ends():
    page = (ROOT / "docs" / "gateway.md").read_text()
    fences = re.findall(r"^```.*$", page, re.M)
    assert [bool(fence[3:]) for fence in fences] == [i % 2 == 0 for i in range(len(fences))], fences


SHOWN = ("gateway", "listen", "certificate", "gateway_tls", "gateway_limits", "gateway_http2", "access_log", "route_spec", "websocket", "traffic",
         "upstream_tls", "hash", "sticky", "member", "timeouts", "retries", "hedge", "breaker", "outlier", "queue", "concurrency", "fallback", "mirror")


@pytest.mark.parametrize("section", SHOWN)
def test_each_key_of_the_gateway_stands_in_an_example(section):
    reference = (ROOT / "docs" / "configuration.md").read_text()
    rows = re.search(rf"^### {section}\n(.*?)(?=^### |\Z)", reference, re.S | re.M).group(1)
    keys = re.findall(r"^\| `([a-z_0-9]+)`", rows, re.M)
    text = "\n".join(re.findall(r"```yaml\n(.*?)^```$", (ROOT / "docs" / "gateway.md").read_text(), re.S | re.M))
    assert keys and [key for key in keys if not re.search(rf"\b{key}\s*:", text)] == []
