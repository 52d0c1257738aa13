"""The container's files, as far as they can be tried without a container: they are read, and run what they name."""

import json
import re
import smtplib
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from web_programs import BOUND, run

ROOT = Path(__file__).parents[2]
PORTS = {"1025", "8025"}

pytestmark = [pytest.mark.slow, pytest.mark.once]


def instructions():
    """Return the Dockerfile's instructions, each with its arguments."""
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line.partition(" ") for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return {name: arguments.strip() for name, _, arguments in lines}


def environment():
    return dict(pair.split("=") for pair in instructions()["ENV"].split())


def compose():
    """Read what of YAML stands in the file: maps, and lists of texts in quotes."""
    root: dict = {}
    stack = [(-1, root)]
    for line in (ROOT / "compose.yaml").read_text().splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        depth = len(line) - len(line.lstrip())
        while stack[-1][0] >= depth:
            stack.pop()
        holder = stack[-1][1]
        item = re.fullmatch(r' *- "([^"]*)"', line)
        if item:
            holder.setdefault("", []).append(item[1])
            continue
        name, value = re.fullmatch(r" *([A-Za-z_]+):(?: (\S+))?", line).groups()
        holder[name] = value.strip('"') if value else {}
        if not value:
            stack.append((depth, holder[name]))
    return root


def test_what_the_image_starts_takes_mail_keeps_it_and_is_healthy(tmp_path):
    """With the image's own command, environment and health check, on free ports and another folder."""
    said = instructions()
    assert json.loads(said["ENTRYPOINT"]) == ["smtpfix"]
    names = {name: value.replace("0.0.0.0", "localhost") for name, value in environment().items()}
    names = {name: re.sub(":[0-9]+$", ":0", value) for name, value in names.items()}
    names |= compose()["services"]["mail"]["environment"]
    names["MP_DATABASE"] = str(tmp_path / Path(names["MP_DATABASE"]).name)
    with run(*json.loads(said["CMD"]), environment=names) as program:
        with smtplib.SMTP("localhost", program.port, timeout=BOUND) as client:
            client.sendmail("ann@example.org", "bob@example.org", b"Subject: kept\r\n\r\n")
        assert program.fetch("api/v1/messages")["total"] == 1
        python, *arguments = json.loads(said["HEALTHCHECK"].partition("CMD ")[2])
        assert python == "python"
        port = program.url.rpartition(":")[2].strip("/")
        arguments = [argument.replace(":8025", f":{port}") for argument in arguments]
        check = [sys.executable, *arguments]
        assert subprocess.run(check, timeout=BOUND, check=False).returncode == 0
    assert subprocess.run(check, timeout=BOUND, check=False, stderr=subprocess.DEVNULL).returncode == 1
    assert Path(names["MP_DATABASE"]).exists()


def test_ports_volume_and_user_agree():
    said, service = instructions(), compose()["services"]["mail"]
    assert set(said["EXPOSE"].split()) == PORTS
    assert {value.rpartition(":")[2] for name, value in environment().items() if name.endswith("ADDR")} == PORTS
    assert {port.rpartition(":")[2] for port in service["ports"][""]} == PORTS
    assert all(port.startswith("127.0.0.1:") for port in service["ports"][""])
    (volume,) = service["volumes"][""]
    name, _, folder = volume.partition(":")
    assert folder == said["VOLUME"] == str(Path(environment()["MP_DATABASE"]).parent)
    assert name in compose()["volumes"]
    assert int(said["USER"]) > 0
    assert f"--uid {said['USER']} " in said["RUN"]
    assert f"install -d -o smtpfix -m 700 {folder}" in said["RUN"]
    assert service["read_only"] == "true"


def test_the_image_has_what_the_package_is_built_from_and_its_extras_exist():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    needed = {"pyproject.toml", project["project"]["readme"], *project["project"]["license-files"]}
    needed |= set(project["tool"]["setuptools"]["package-dir"].values())
    assert let_in == needed
    assert all((ROOT / name).exists() for name in needed)
    extras = re.search(r'"/src\[([a-z,]+)\]"', instructions()["RUN"])[1].split(",")
    assert set(extras) <= set(project["project"]["optional-dependencies"])
