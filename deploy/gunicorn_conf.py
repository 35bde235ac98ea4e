"""How web serves: ``gunicorn --config=python:deploy.gunicorn_conf deploy.wsgi:application``."""

from __future__ import annotations

from deploy import environment

# This machine alone, unless told otherwise: the image says 0.0.0.0, as nobody reaches its network
# but through what is published of it.
_ADDRESS = environment.text("LISTEN_ADDRESS", "127.0.0.1")

bind = f"{_ADDRESS}:{environment.whole_number('PORT', 8000, least=1)}"
workers = 2
# More than the requests to /healthz that may wait: see deploy.health_check.
threads = 4
worker_tmp_dir = "/dev/shm"  # noqa: S108 - gunicorn makes a file there that has no name
accesslog = "-"
# Nobody manages it but by signals.
control_socket_disable = True
