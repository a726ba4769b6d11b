# SPDX-License-Identifier: Apache-2.0
"""Forms, merges, extends and variables of Compose files, compared with docker-compose 1.29 as trees.

Each case is a set of small files; both tools render them. Where 1.29 lacks what the Compose specification
has, the case stands in the unit tests instead (tests/unit/schema).
"""
import os
import shutil

import pytest
import yaml

from config_compose import config, run

CASES = {
    "ports": {"a.yaml": """
services:
  a:
    image: x
    ports: ["80:81", "3000-3002", "9090-9091:8080-8081", 77, {target: 5, published: 6, mode: host}, "9:9/udp"]
    expose: ["3000", 4]
"""},
    "volumes": {"a.yaml": """
services:
  a:
    image: x
    volumes: ["./a:/b", "data:/x/:ro", "/anon/", "~/z:/z", "../up:/up:rw,z",
              {type: volume, source: data, target: /d}, {type: tmpfs, target: /t},
              {type: bind, source: ./q, target: /q, read_only: true}]
volumes: {data: {driver: local, external: false}, e: {external: true, name: e}, f: }
"""},
    "environment and env_file": {"a.yaml": """
services:
  a:
    image: x
    environment: [A=1, NOT_SET_ANYWHERE, "C=", D=x=y, "E=$$x", EF=mine]
    env_file: [one.env, two.env]
  b:
    image: x
    env_file: one.env
    environment: {A: 5, B: text, C: ""}
""", "one.env": "EF=1\nFOO=\"a b\"\n# c\nBAR='$x'\n", "two.env": "FOO=two\nQ=\n"},
    "command and health": {"a.yaml": """
services:
  a:
    image: x
    command: ["a", "b$$c"]
    entrypoint: /x y
    healthcheck: {test: "curl x", interval: 90s, start_period: 1500ms, retries: 2}
    stop_grace_period: 90s
    stop_signal: SIGINT
    restart: "no"
  b:
    image: x
    command: sh -c 'a b'
    restart: on-failure:3
    init: true
    tty: true
    user: "1000"
"""},
    "lists and maps": {"a.yaml": """
services:
  a:
    image: x
    labels: {a: 1, b: text}
    dns: 1.1.1.1
    dns_search: [a, b]
    tmpfs: /run
    extra_hosts: ["a:1.2.3.4"]
    sysctls: {net.core.somaxconn: 1024}
    ulimits: {nproc: 65535, nofile: {soft: 1, hard: 2}}
    mem_limit: 50m
    cpus: 0.5
    cap_add: [A, B]
    devices: ["/dev/a:/dev/b"]
    logging: {driver: json-file, options: {max-size: "10m"}}
    deploy: {replicas: 2, resources: {limits: {cpus: '0.5', memory: 50M}}}
    secrets: [s, {source: s, target: x, mode: 0440}]
    networks: {n: {aliases: [q]}, default: {}}
  b:
    image: y
    labels: [x=y, z]
    build: {context: ., args: [A=1], labels: [x=y], target: t}
    depends_on: {a: {condition: service_healthy}}
    network_mode: host
networks: {n: {driver: bridge, internal: true, labels: [a=b]}}
secrets: {s: {file: ./s.txt}}
""", "s.txt": ""},
    "external": {"a.yaml": """
services: {a: {image: x, volumes: ["v:/v"], networks: [n], secrets: [s]}}
networks: {n: {external: true}, m: {external: true, name: other}, o: {external: false}}
volumes: {v: {external: true}, w: {external: {name: old}}}
secrets: {s: {external: true}}
"""},
    "anchors": {"a.yaml": """
x-base: &base
  image: x
  environment: &env {A: "1", B: "2"}
x-more: &more {restart: always, image: z}
services:
  a: {<<: *base, command: a}
  b:
    <<: [*base, *more]
    environment: {<<: *env, B: "3"}
  c: *base
"""},
    "variables": {"a.yaml": """
services:
  a:
    image: ${IMAGE:-x}:${TAG}
    command: echo $$HOME ${IMAGE} $TAG ${NOPE-d} ${TAG?must} ${EMPTY:-e} x${EMPTY-e}x
    environment:
      A: "${TAG}"
      B: '${IMAGE:-a b}'
    labels: ["n=${TAG}"]
    ports: ["${P:-80}:80"]
""", ".env": "TAG=1.0\nEMPTY=\n"},
    "two files": {"a.yaml": """
services:
  a:
    image: x
    command: one
    environment: {A: "1", B: "2"}
    labels: [l=1]
    ports: ["80:80"]
    expose: [1]
    volumes: ["./a:/a", "./b:/b"]
    cap_add: [A]
    depends_on: [b]
    healthcheck: {test: x, interval: 5s}
    dns: [1.1.1.1]
    networks: [n]
    logging: {driver: json-file, options: {a: "1"}}
    secrets: [s]
    build: {context: ., args: {X: "1"}}
    deploy: {replicas: 1, labels: {a: "1"}}
    ulimits: {nproc: 1}
  b: {image: y}
networks: {n: {driver: bridge}}
secrets: {s: {file: s.txt}}
""", "b.yaml": """
services:
  a:
    command: ["two", "three"]
    environment: [B=3, C=4]
    labels: {m: x}
    ports: ["81:81", "80:80"]
    expose: [2]
    volumes: ["./c:/b"]
    cap_add: [B, A]
    depends_on: {c: {condition: service_healthy}}
    healthcheck: {interval: 9s}
    dns: 2.2.2.2
    networks: {n: {aliases: [q]}, m: }
    logging: {options: {b: "2"}}
    secrets: [{source: s, target: t}]
    build: {target: q, args: [Y=2]}
    deploy: {replicas: 3, labels: {b: "2"}}
    ulimits: {nofile: {soft: 1, hard: 2}}
  c: {image: z}
networks: {m: }
""", "s.txt": ""},
    "extends": {"a.yaml": """
services:
  base: {image: x, environment: {A: "1"}, labels: {l: "1"}, expose: [80], command: one}
  mid: {extends: base, environment: {B: "2"}}
  top:
    extends: {service: mid}
    environment: {A: "3"}
    command: two
    expose: [81]
  far: {extends: {file: sub/b.yaml, service: other}, restart: always}
""", "sub/b.yaml": """
services:
  other: {extends: {service: deep}, volumes: ["./v:/v"], build: ., env_file: e.env}
  deep: {image: deep, working_dir: /w}
""", "sub/e.env": "Z=1\n"},
}


def without_accidents(document):
    """1.29 writes exposed ports as text and a network without options as {} once files were merged, else as
    they stood; both mean the same."""
    for service in document["services"].values():
        if "expose" in service:
            service["expose"] = [str(port) for port in service["expose"]]
        for name, options in service.get("networks", {}).items():
            service["networks"][name] = options or {}
    return document


def environment():
    return {"PATH": os.environ["PATH"], "HOME": "/home/somebody", "IMAGE": "img"}


@pytest.mark.skipif(not shutil.which("docker-compose"), reason="docker-compose is not installed")
@pytest.mark.parametrize("name", CASES)
def test_as_docker_compose_does(name, tmp_path):
    for file, text in CASES[name].items():
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text(text)
    files = [a for f in CASES[name] if f in ("a.yaml", "b.yaml") for a in ("-f", f)]
    reference = run(["docker-compose", *files, "config"], tmp_path, environment())
    assert reference.returncode == 0, reference.stderr
    ours = config(tmp_path, "--show-secrets", *files, env=environment())
    assert ours.returncode == 0, ours.stderr
    theirs, mine = yaml.safe_load(reference.stdout), yaml.safe_load(ours.stdout)
    theirs.pop("version")
    mine.pop("name")
    assert without_accidents(mine) == without_accidents(theirs)


DIFFERENT = {
    "host address of a port": ('ports: ["127.0.0.1:80:81"]', "ports", ["127.0.0.1:80:81/tcp"],
                               [{"host_ip": "127.0.0.1", "published": 80, "target": 81}]),
    "disabled health check": ("healthcheck: {disable: true}", "healthcheck", {"test": ["NONE"]}, {"disable": True}),
    "truth in a label": ("labels: {a: true, b: null}", "labels", {"a": "True", "b": None}, {"a": "true", "b": ""}),
    "profile not chosen": ("profiles: [p]", "profiles", ["p"], None),
}


@pytest.mark.skipif(not shutil.which("docker-compose"), reason="docker-compose is not installed")
@pytest.mark.parametrize("name", DIFFERENT)
def test_differs_as_the_documentation_says(name, tmp_path):
    text, key, theirs, ours = DIFFERENT[name]
    (tmp_path / "a.yaml").write_text(f"services:\n  z: {{image: z}}\n  a:\n    image: x\n    {text}\n")
    results = {"docker-compose": (run(["docker-compose", "-f", "a.yaml", "config"], tmp_path, environment()), theirs),
               "muelle": (config(tmp_path, "--show-secrets", "-f", "a.yaml", env=environment()), ours)}
    for result, want in results.values():
        got = None
        if result.returncode == 0:
            got = yaml.safe_load(result.stdout)["services"].get("a", {}).get(key)
        assert got == want
