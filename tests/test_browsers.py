"""Where there is no browser: what is installed, what fails, and what the last line of `make test` says."""

import os

import browsers
import pytest

shell = pytest.mark.skipif(os.name == "nt", reason="a script of the shell")


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine whose programs are the scripts that a test writes, with the status they end with."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(browsers, "OF_MACOS", [])
    monkeypatch.delenv("CHROMIUM", raising=False)
    monkeypatch.delenv("CI", raising=False)

    def program(name, lines="exit 0"):
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\n{lines}\n")
        path.chmod(0o755)
        return str(path)

    return program


@shell
def test_a_browser_is_one_that_runs(machine, monkeypatch):
    assert browsers.find_browser() is None
    machine("chromium-browser", "echo install a snap >&2; exit 1")
    assert browsers.find_browser() is None
    chrome = machine("google-chrome")
    assert browsers.find_browser() == chrome
    other = machine("other")
    monkeypatch.setenv("CHROMIUM", other)
    assert browsers.find_browser() == other
    monkeypatch.setenv("CHROMIUM", "nowhere")
    with pytest.raises(FileNotFoundError, match="CHROMIUM=nowhere is no browser that runs here; leave it out"):
        browsers.find_browser()


@shell
@pytest.mark.parametrize(("user", "ci"), [(0, None), (0, "false"), (1000, "true")])
def test_elsewhere_the_last_line_says_how_to_get_one(user, ci, machine, monkeypatch, capsys):
    machine("apt-get", "echo must not be called; exit 1")
    monkeypatch.setattr(os, "geteuid", lambda: user)
    if ci:
        monkeypatch.setenv("CI", ci)
    assert browsers.main() == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("SKIPPED: the notebooks in a real browser")
    assert last.endswith(browsers.ADVICE)


@shell
def test_continuous_integration_installs_one_or_fails(machine, tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("CI", "true")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(browsers.pytest, "main", lambda arguments: arguments[:2] == ["-m", "browser"] and 7)
    machine("apt-get", "echo no network; exit 100")
    assert browsers.main() == 1
    shown = capfd.readouterr().out.splitlines()
    assert shown[:2] == ["apt-get update", "no network"]
    assert shown[-1].startswith("FAILED: no browser, though this machine could install one")
    machine(
        "apt-get",
        f'[ "$1" = update ] || {{ echo "#!/bin/sh" > {tmp_path}/chromium; /bin/chmod +x {tmp_path}/chromium; }}',
    )
    assert browsers.main() == 7
    assert capfd.readouterr().out.splitlines() == [" ".join(command) for command in browsers.INSTALL]
