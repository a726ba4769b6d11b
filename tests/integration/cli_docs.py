# SPDX-License-Identifier: Apache-2.0
"""What is derived from the tables: help, man page, completion, docs/cli.md, docs/api.md."""
import shutil
import subprocess

import pytest

from muelle import BINARY, ROOT


def muelle(*args, **env):
    return subprocess.run([BINARY, *args], text=True, capture_output=True,
                          env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", **env})


@pytest.mark.parametrize("name", ["api", "cli"])
def test_the_page_is_what_the_table_says(name):
    page = (ROOT / "docs" / f"{name}.md").read_text()
    assert page == muelle("docs", name).stdout, f"run: build/muelle docs {name} > docs/{name}.md"


@pytest.mark.skipif(not shutil.which("mandoc"), reason="mandoc is not there")
def test_the_man_page_has_no_faults():
    page = muelle("man").stdout
    result = subprocess.run(["mandoc", "-Tlint", "-Wwarning"], input=page, text=True, capture_output=True)
    assert result.stdout + result.stderr == ""
    shown = subprocess.run(["mandoc", "-Tutf8"], input=page, text=True, capture_output=True).stdout
    assert "completion" in shown and "EXIT STATUS" in shown.replace("\b", "") or "E\bEX" in shown


@pytest.mark.parametrize("shell, check", [("bash", ["bash", "-n"]), ("zsh", ["zsh", "-n"]), ("fish", ["fish", "-n"])])
def test_completion_scripts_are_valid(shell, check, tmp_path):
    script = muelle("completion", shell).stdout
    assert "logs" in script
    if not shutil.which(check[0]):
        pytest.skip(f"{check[0]} is not there")
    path = tmp_path / "completion"
    path.write_text(script)
    result = subprocess.run([*check, path], text=True, capture_output=True)
    assert result.returncode == 0, result.stderr


def complete(*words):
    """What bash offers for the last of these words."""
    script = muelle("completion", "bash").stdout + f"""
        COMP_WORDS=(muelle {" ".join(f"'{w}'" for w in words)}); COMP_CWORD={len(words)}
        _muelle; printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    return subprocess.run(["bash", "-c", script], text=True, capture_output=True).stdout.split()


def test_bash_completes_verbs_and_options():
    assert complete("sta") == ["start", "status"]
    assert complete("up", "--wait-") == ["--wait-timeout"]
    assert "--follow" in complete("logs", "--") and "--state-dir" in complete("logs", "--")
    assert complete("completion", "f") == ["fish"]


def test_help_speaks_the_readers_language():
    assert "stop everything" in muelle("help").stdout
    assert "detiene todo" in muelle("help", LANG="es_ES.UTF-8").stdout
    drain = muelle("help", "drain", LANG="es_ES.UTF-8").stdout
    assert "Se conserva entre reinicios" in drain and "Kept" not in drain
    assert muelle("help", "nonsense").returncode == 2
    for verb in ("up", "logs", "exec"):
        assert muelle("help", verb).stdout == muelle(verb, "--help").stdout


def test_no_arguments_show_help_and_fail():
    result = muelle()
    assert result.returncode == 2 and "muelle COMMAND" in result.stdout


def test_init_recognises_projects(tmp_path):
    cases = {
        "package.json": ('{"scripts":{"dev":"vite"}}', "npm run dev"),
        "manage.py": ("", "runserver"),
        "Procfile": ("web: python3 app.py\nworker: python3 work.py\n", "python3 work.py"),
        "index.html": ("<p>", "http.server"),
        "go.mod": ("module x\n", "go run ."),
    }
    for name, (text, command) in cases.items():
        folder = tmp_path / name.replace(".", "-")
        folder.mkdir()
        (folder / name).write_text(text)
        result = subprocess.run([BINARY, "init"], cwd=folder, text=True, capture_output=True)
        assert result.returncode == 0, result.stderr
        assert command in (folder / "muelle.yaml").read_text()
        checked = subprocess.run([BINARY, "config", "--quiet"], cwd=folder, text=True, capture_output=True)
        assert checked.returncode == 0, checked.stderr
        again = subprocess.run([BINARY, "init"], cwd=folder, text=True, capture_output=True)
        assert again.returncode == 1 and "--force" in again.stderr


def test_doctor_says_what_works(tmp_path):
    result = subprocess.run([BINARY, "doctor"], cwd=tmp_path, text=True, capture_output=True)
    assert "kernel" in result.stdout and "control groups" in result.stdout
