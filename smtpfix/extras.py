"""How a missing extra is installed where this copy of smtpfix is from: the index, a checkout, a wheel, a repository."""

from __future__ import annotations

from pathlib import Path


def install(extra: str) -> str:
    """Return the command that adds an extra: ``pip install 'smtpfix[web]'``, or what a checkout needs instead."""
    import json  # noqa: PLC0415 - only where something is missing
    from importlib.metadata import distributions  # noqa: PLC0415 - as above

    for found in distributions(name="smtpfix"):
        if text := found.read_text("direct_url.json"):
            return command(extra, json.loads(text))
    checkout = Path(__file__).parents[1]
    if (checkout / "pyproject.toml").is_file():
        return command(extra, {"url": checkout.as_uri(), "dir_info": {"editable": True}})
    return command(extra, {})


def command(extra: str, origin: dict[str, object]) -> str:
    """Return the same for what ``direct_url.json`` says (PEP 610); an empty one is the index."""
    from urllib.parse import unquote, urlsplit  # noqa: PLC0415 - as above

    url, folder, repository = str(origin.get("url", "")), origin.get("dir_info"), origin.get("vcs_info")
    if isinstance(folder, dict):
        path = unquote(urlsplit(url).path)
        shown = "." if Path(path) == Path.cwd() else path
        return f"pip install {'-e ' if folder.get('editable') else ''}'{shown}[{extra}]'"
    if isinstance(repository, dict):
        return f"pip install 'smtpfix[{extra}] @ {repository.get('vcs', 'git')}+{url}'"
    return f"pip install 'smtpfix[{extra}]{f' @ {url}' if url else ''}'"
