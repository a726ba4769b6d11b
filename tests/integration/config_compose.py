# SPDX-License-Identifier: Apache-2.0
"""Public Compose files are understood, and rendered as Debian's docker-compose 1.29 renders them.

Both renderings are parsed and compared as trees. Where they may differ, and why, stands in DIFFERENCES (and
in docs/configuration.md): each entry must be needed by some file, so that the list cannot grow stale.
"""
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from muelle import BINARY

ROOT = Path(__file__).resolve().parents[2]
DATA = next((d for d in (ROOT.parent / "shared" / "data" / "compose", ROOT / "shared" / "data" / "compose")
             if d.is_dir()), None)
FILES = sorted(DATA.glob("*.yaml")) if DATA else []


def drop_version(theirs, ours):
    """1.29 prints a `version`; the Compose specification calls it obsolete."""
    assert "version" not in ours
    return theirs.pop("version", None) is not None


def drop_name(theirs, ours):
    """1.29 knows no `name`; the specification does, and muelle says which one it uses."""
    assert ours.pop("name")
    return True


def same_empty_source(theirs, ours):
    """Of ":/media" (a variable that is not set) 1.29 makes ".:/media", another folder when it is read
    again from elsewhere; muelle writes the folder out."""
    found = False
    for name, service in theirs["services"].items():
        for i, volume in enumerate(service.get("volumes", [])):
            if isinstance(volume, str) and volume.startswith(".:"):
                mine = ours["services"][name]["volumes"]
                assert mine[i].startswith("/") and mine[i].endswith(volume[1:])
                mine[i] = volume
                found = True
    return found


DIFFERENCES = {"version": drop_version, "name": drop_name, "empty source": same_empty_source}
used = set()


def run(command, folder, env=None):
    env = env or {k: v for k, v in os.environ.items() if not k.startswith("COMPOSE_")}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=60)


def config(folder, *options, env=None):
    return run([BINARY, "config", *options], folder, env)


def place(source, folder):
    """The file in a folder that has what 1.29 insists on: build contexts and files of variables."""
    document = yaml.safe_load(source.read_text())
    for service in document["services"].values():
        build = service.get("build")
        context = build if isinstance(build, str) else (build or {}).get("context")
        if context:
            (folder / context).mkdir(parents=True, exist_ok=True)
        files = service.get("env_file") or []
        for name in [files] if isinstance(files, str) else files:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).touch()
    shutil.copy(source, folder / "compose.yaml")
    return document


def ours_of(folder, *options):
    result = config(folder, "--show-secrets", *options, "-f", "compose.yaml")
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.skipif(not FILES, reason="the public Compose files (shared/data/compose) are not here")
@pytest.mark.skipif(not shutil.which("docker-compose"), reason="docker-compose is not installed")
@pytest.mark.parametrize("source", FILES, ids=lambda p: p.stem)
def test_rendered_as_docker_compose_does(source, tmp_path):
    document = place(source, tmp_path)
    ours = yaml.safe_load(ours_of(tmp_path))
    if "name" in document:  # 1.29 refuses it
        document.pop("name")
        (tmp_path / "compose.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
    reference = run(["docker-compose", "-f", "compose.yaml", "config"], tmp_path)
    assert reference.returncode == 0, reference.stderr
    theirs = yaml.safe_load(reference.stdout)
    for name, apply in DIFFERENCES.items():
        if apply(theirs, ours):
            used.add(name)
    assert ours == theirs


@pytest.mark.skipif(not FILES, reason="the public Compose files (shared/data/compose) are not here")
@pytest.mark.parametrize("source", FILES, ids=lambda p: p.stem)
def test_rendering_again_changes_nothing(source, tmp_path):
    place(source, tmp_path)
    first = ours_of(tmp_path)
    (tmp_path / "compose.yaml").write_text(first)
    assert ours_of(tmp_path) == first
    assert yaml.safe_load(first) == yaml.safe_load(ours_of(tmp_path, "--json").replace("$", "$$"))


@pytest.mark.skipif(not FILES, reason="the public Compose files (shared/data/compose) are not here")
def test_every_listed_difference_is_needed():
    if not used:
        pytest.skip("the comparison did not run")
    assert used == set(DIFFERENCES)
