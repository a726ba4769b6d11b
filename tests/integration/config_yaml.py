# SPDX-License-Identifier: Apache-2.0
"""YAML texts in every style are read as PyYAML reads them: a property over random texts.

libfyaml, which muelle used at first, misread some (docs/decisions/0004-yaml-parser.md).
"""
import json
import random
import subprocess

import pytest
import yaml

from config_compose import config

PARTS = ["''", "'", '"', "a", " ", "\n", "\n\n", "b", "\t", "é", "#", ": ", "- ", "\\", "\\n", "%", "word word", "  ", "{",
         "}", "[", "]", ",", "|", ">", "&", "*", "!", "日本", "😀", "x: y", "~", "null", "true", "1", "0x1f"]
STYLES = [None, "'", '"', "|", ">"]


class Text(str):
    style = None


class Dumper(yaml.SafeDumper):
    pass


Dumper.add_representer(Text, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", str(text), text.style))


def random_text(rng):
    text = Text("".join(rng.choice(PARTS) for _ in range(rng.randint(0, 10))))
    text.style = rng.choice(STYLES)
    return text


@pytest.mark.parametrize("seed", range(25))
def test_texts_are_read_as_pyyaml_reads_them(seed, tmp_path):
    rng = random.Random(seed)
    words = [random_text(rng) for _ in range(40)]
    text = yaml.dump({"services": {"a": {"command": ["x", *words]}}}, Dumper=Dumper, allow_unicode=rng.random() < 0.5,
                     width=rng.choice([20, 40, 80, 1000]), default_flow_style=rng.random() < 0.3, indent=rng.choice([2, 4]))
    (tmp_path / "muelle.yaml").write_text(text)
    want = yaml.safe_load(text)["services"]["a"]["command"]
    result = config(tmp_path, "--json", "-f", "muelle.yaml")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["services"]["a"]["command"] == want


@pytest.mark.parametrize("text, want", [
    (r'"\u00e9\xe9\U000000e9"', "ééé"), (r'"\/\"\\\t"', '/"\\\t'), ('"a\\\n      b"', "ab"),
    ("'a''''b'", "a''b"), (r'"\N\_\L\P\e"', "\x85\xa0\u2028\u2029\x1b"), ('"\\x41\\u0042"', "AB")])
def test_escapes(text, want, tmp_path):
    (tmp_path / "muelle.yaml").write_text(f"services:\n  a:\n    command: [x, {text}]\n")
    result = config(tmp_path, "--json", "-f", "muelle.yaml")
    assert json.loads(result.stdout)["services"]["a"]["command"] == ["x", want]


@pytest.mark.parametrize("text", [r'"\q"', r'"\x4"', r'"\u12"', r'"\0"', r'"\ud800"', r'"\ud800\u0041"', r'"\U00110000"', '"\\'])
def test_what_is_no_escape_is_said_with_its_place(text, tmp_path):
    (tmp_path / "muelle.yaml").write_text(f"services:\n  a:\n    command: [x, {text}]\n")
    result = config(tmp_path, "--json", "-f", "muelle.yaml")
    assert result.returncode != 0
    assert "muelle.yaml:3:" in result.stderr
