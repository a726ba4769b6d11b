# SPDX-License-Identifier: Apache-2.0
"""muelle init: what it writes is understood, and does what the project's own file says."""
import json
import subprocess

import pytest

from muelle import BINARY, free_port

PROCFILE = """web: cd pub && exec /usr/bin/python3 -m http.server $PORT
# a comment
worker: echo "A=$A: b" '#c' | tr a b; exec sleep 1000
plain: /usr/bin/python3 -u tick.py --every 5
"""


def config(m):
    return json.loads(m.cli("config", "--json").stdout)


def test_lines_of_a_procfile_keep_their_shell(muelle):
    muelle.write("Procfile", PROCFILE)
    muelle.write(".env", "A=1\n")
    muelle.cli("init")
    services = config(muelle)["services"]
    assert services["web"]["command"] == ["/bin/sh", "-c", "cd pub && exec /usr/bin/python3 -m http.server $PORT"]
    assert services["worker"]["command"][2] == """echo "A=$A: b" '#c' | tr a b; exec sleep 1000"""
    assert services["plain"]["command"] == "/usr/bin/python3 -u tick.py --every 5"


def test_a_procfile_and_what_init_makes_of_it_run_the_same(muelle):
    muelle.write("Procfile", PROCFILE.split("plain")[0].replace("web: cd pub && exec", "web: exec"))
    muelle.write(".env", "A=1\n")
    muelle.cli("init")
    text = (muelle.folder / "muelle.yaml").read_text()
    muelle.write("muelle.yaml", text.replace(":8080", f":{free_port()}").replace('admin: "http://127.0.0.1:7070"', "admin: false"))
    muelle.up()
    assert [line["message"] for line in muelle.logs("worker")] == ["A=1: b #c"]


@pytest.mark.parametrize("name,text,command", [
    ("package.json", '{"scripts": {"start": "node ."}}', "npm start"),
    ("manage.py", "", "python3 manage.py runserver 127.0.0.1:${PORT}"),
    ("app.py", "app = Flask(__name__)", "python3 -m flask run --port ${PORT}"),
])
def test_a_project_is_recognised_and_its_file_is_valid(muelle, name, text, command):
    muelle.write(name, text)
    muelle.cli("init")
    assert config(muelle)["services"]["web"]["command"] == command
    assert muelle.cli("init", check=False).returncode == 1


def test_an_empty_folder_gets_an_example_that_runs(muelle):
    said = muelle.cli("init").stdout
    assert "an example" in said
    text = (muelle.folder / "muelle.yaml").read_text()
    assert "redis-server" in text.split("#  db:")[1]
    muelle.write("muelle.yaml", text.replace(":8080", f":{free_port()}").replace('admin: "http://127.0.0.1:7070"', "admin: false"))
    muelle.up()
    assert [(r["service"], r["health"]) for r in muelle.ps()] == [("web", "healthy")]
    lines = [line[1:] if line.startswith("#  ") else line for line in text.splitlines()]
    muelle.write("muelle.yaml", "\n".join(lines) + "\n")
    services = config(muelle)["services"]
    assert services["web"]["depends_on"] == {"db": {"condition": "service_healthy"}} and "db" in services


def test_a_folder_that_is_not_there_is_said(muelle):
    result = muelle.cli("init", "nosuch", check=False)
    assert result.returncode == 1 and "there is no folder nosuch" in result.stderr


def test_init_of_a_folder_takes_all_its_processes_and_its_name(muelle):
    """It stopped after 64 lines without a word, and called `.` an app."""
    folder = muelle.folder / "Big Shop"
    folder.mkdir()
    (folder / "Procfile").write_text("".join(f"p{i}: sleep {i}\n" for i in range(70)))
    text = subprocess.run([BINARY, "init", ".", "--stdout"], cwd=folder, text=True, check=True, capture_output=True).stdout
    assert "name: big-shop\n" in text
    assert text.count("command: sleep ") == 70
