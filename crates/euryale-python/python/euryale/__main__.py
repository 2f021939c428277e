"""The command ``euryale``."""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import sys
from typing import Any, Callable

from . import _euryale
from ._parent import current_folder, first_step, run_parent
from ._reload import report_files
from ._serve import SettingsError, run

#: The prefix of variables, as for the site: EURYALE_MAX_QUEUE sets --max-queue.
VARIABLE = "EURYALE_"

#: The values of a switch.
WORDS = set("1 0 t f true false y n yes no on off".split())

#: The settings for addresses.
PLACES = {"listen", "host", "port", "unix_socket"}


def main(arguments: list[str] | None = None) -> None:
    """Serve the application that the command line names, and exit."""
    first_step()
    reporter = report_files()
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:1] == ["ctl"]:
        ctl(arguments[1:])
        return
    options = parser().parse_args(with_values(arguments))
    is_child = _euryale.is_child()
    number = "[%(process)d] " if is_child else ""
    logging.basicConfig(
        level=options.log_level.upper(),
        format=f"%(asctime)s {number}%(levelname)s %(name)s: %(message)s",
    )
    if options.access_log:
        logging.getLogger("euryale.access").setLevel(logging.INFO)
    folder = current_folder()
    sys.path.insert(0, os.path.abspath(options.chdir))
    try:
        os.chdir(options.chdir)
        if options.app.partition("#")[0].endswith(".ini"):
            load, configured = from_ini(options)
        else:
            load, configured = (lambda: from_module(options)), (lambda: {})

        def read() -> dict[str, str]:
            return settings(options, configured())

        pid_file = os.path.abspath(options.pid_file) if options.pid_file else None
        first = read()
        if reporter is not None:
            reporter.watch_files(first.get("reload_extra_file", "").split())
        if is_child:
            # The file has the number of the parent.
            status = run(first, load, read, is_last=True)
        elif processes(first) is not None:
            reloads = _euryale.reloads(first)
            status = run_parent(first, folder, read, pid_file, reloads)
        else:
            status = run(first, load, read, is_last=True, pid_file=pid_file)
    except SettingsError as error:
        sys.exit(f"euryale: {error}")
    sys.exit(status)


def processes(settings: dict[str, str]) -> int | None:
    """The number of processes behind a parent."""
    try:
        return _euryale.processes(settings)
    except ValueError as error:
        raise SettingsError(str(error)) from None


def ctl(arguments: list[str]) -> None:
    """Give a command to a running server, and exit: with 1 if it fails."""
    parser = argparse.ArgumentParser(
        prog="euryale ctl",
        description="Give a command to the server whose --console is the same. Without a command, "
        "the server lists those that it has.",
    )
    parser.add_argument(
        "--console",
        metavar="PATH",
        default=os.environ.get(VARIABLE + "CONSOLE"),
        help="socket of the server; default: that of EURYALE_CONSOLE, or of the file of settings",
    )
    parser.add_argument("--config", metavar="FILE", help="TOML file of settings")
    parser.add_argument("words", nargs="*", metavar="COMMAND", help="command and its arguments")
    options = parser.parse_args(arguments)
    path = options.console
    try:
        if path is None and options.config:
            path = from_toml(options.config).get("console")
    except SettingsError as error:
        sys.exit(f"error: {error}")
    if not path:
        sys.exit("error: no socket for commands is set: name that of the server with --console")
    try:
        is_done, text = _euryale.ctl(path, options.words)
    except OSError as error:
        sys.exit(f"error: {path}: the server cannot be reached: {error}")
    if not is_done:
        sys.exit(f"error: {text}")
    print(text, end="")


def parser() -> argparse.ArgumentParser:
    """The command line: every setting is a flag and a variable."""
    parser = argparse.ArgumentParser(
        prog="euryale",
        description="Serve a WSGI application, or (euryale ctl) give a command to a server. Each "
        "flag has a variable: EURYALE_MAX_QUEUE is --max-queue. A flag counts before its variable, "
        "and a variable before the file.",
    )
    parser.add_argument("app", help="module:callable, or an ini file for PasteDeploy (file.ini#name)")
    parser.add_argument("--version", action="version", version=f"euryale {_euryale.__version__}")
    parser.add_argument("--factory", action="store_true", help="call it to get the application")
    parser.add_argument("--chdir", default=".", metavar="DIR", help="folder to go to first")
    parser.add_argument("--config", metavar="FILE", help="TOML file of settings; SIGHUP reads it")
    parser.add_argument(
        "--pid-file",
        metavar="FILE",
        default=os.environ.get(VARIABLE + "PID_FILE"),
        help="has the process's number from the time it listens until it ends",
    )
    parser.add_argument("--log-level", default="info", metavar="LEVEL", help="level of the log")
    parser.add_argument(
        "--access-log", action="store_true", help="log each request to euryale.access"
    )
    lists = set(_euryale.lists())
    switches = set(_euryale.switches())
    for key, alias, text, is_used in _euryale.settings():
        flags = ["--" + name.replace("_", "-") for name in (key, alias) if name]
        text = text if is_used else argparse.SUPPRESS
        if key in switches:
            parser.add_argument(*flags, dest=key, metavar="on|off", help=text)
            continue
        action = _Append if key in lists else "store"
        parser.add_argument(*flags, action=action, dest=key, metavar="X", help=text)
    return parser


def with_values(arguments: list[str]) -> list[str]:
    """Give ``on`` to switches without a value, such as ``--debug``, wherever they stand."""
    switches = {"--" + key.replace("_", "-") for key in _euryale.switches()}
    given = []
    for at, argument in enumerate(arguments):
        following = "".join(arguments[at + 1 : at + 2]).lower()
        if argument in switches and following not in WORDS:
            argument += "=on"
        given.append(argument)
    return given


class _Append(argparse.Action):
    """A flag that may be repeated: each occurrence adds to the list."""

    def __call__(self, parser: Any, namespace: Any, values: Any, flag: Any = None) -> None:
        before = getattr(namespace, self.dest)
        setattr(namespace, self.dest, values if before is None else f"{before}\n{values}")


def settings(options: argparse.Namespace, configured: dict[str, str]) -> dict[str, str]:
    """Merge flags, variables and files, in this order of precedence."""
    known = _euryale.settings()
    main_name = {alias: key for key, alias, _, _ in known if alias}
    files = dict(configured)
    if options.config:
        files.update(from_toml(options.config))
    variables = {}
    for key, alias, _, _ in known:
        for name in filter(None, (alias, key)):
            if (text := os.environ.get(VARIABLE + name.upper())) is not None:
                variables[key] = text
    flags = {key: getattr(options, key) for key, _, _, _ in known}
    merged: dict[str, str] = {}
    for source in (files, variables, flags):
        said = {name.replace("-", "_"): text for name, text in source.items() if text is not None}
        said = {main_name.get(name, name): text for name, text in said.items()}
        if PLACES & said.keys():
            # An address from here replaces all addresses with lower precedence.
            merged = {name: text for name, text in merged.items() if name not in PLACES}
        merged.update(said)
    return merged


def from_toml(path: str) -> dict[str, str]:
    """The settings of a TOML file: its top-level keys."""
    try:
        import tomllib
    except ImportError:
        raise SettingsError(f"{path}: TOML needs Python 3.11; use an ini file or flags") from None
    try:
        with open(path, "rb") as file:
            table = tomllib.load(file)
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{path}: {error}") from None
    text = {}
    for name, value in table.items():
        if isinstance(value, list):
            value = " ".join(str(item) for item in value)
        elif isinstance(value, bool):
            value = "true" if value else "false"
        text[name] = str(value)
    return text


def from_ini(options: argparse.Namespace) -> tuple[Callable[[], Any], Callable[[], dict[str, str]]]:
    """The application of an ini file, and the settings of its server section."""
    import configparser
    import logging.config

    try:
        from paste.deploy import loadapp
        from paste.deploy.loadwsgi import SERVER, loadcontext
    except ImportError:
        raise SettingsError("ini files need PasteDeploy: pip install PasteDeploy") from None
    path, _, name = options.app.partition("#")
    path = os.path.abspath(path)
    uri = f"config:{path}" + (f"#{name}" if name else "")

    def sections() -> configparser.ConfigParser:
        parser = configparser.ConfigParser(interpolation=None, strict=False)
        try:
            with open(path, encoding="utf-8") as file:
                parser.read_file(file)
        except (OSError, ValueError, configparser.Error) as error:
            text = " ".join(str(error).split())
            raise SettingsError(f"{path}: {text}") from None
        return parser

    def configured() -> dict[str, str]:
        if not sections().has_section("server:main"):
            return {}
        try:
            context = loadcontext(SERVER, f"config:{path}")
        except Exception as error:
            # PasteDeploy has no exception class of its own, and importing what `use` names
            # may raise any.
            text = " ".join(str(error).split())
            raise SettingsError(f"{path}: {text}") from None
        return {name: str(value) for name, value in context.local_conf.items()}

    # Done before the server is created, because that reads the levels of its loggers.
    if sections().has_section("loggers"):
        folder = {"__file__": path, "here": os.path.dirname(path)}
        logging.config.fileConfig(path, folder, disable_existing_loggers=False)
    return (lambda: loadapp(uri)), configured


def from_module(options: argparse.Namespace) -> Any:
    """The callable of ``module:callable``, or what it returns."""
    module, _, name = options.app.partition(":")
    found: Any = importlib.import_module(module)
    for part in (name or "application").split("."):
        found = getattr(found, part)
    return found() if options.factory else found


if __name__ == "__main__":
    main()
