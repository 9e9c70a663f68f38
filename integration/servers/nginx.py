"""The configuration of an nginx that keeps all of its files in one directory."""

from __future__ import annotations

from pathlib import Path

CONFIGURATION = """\
{main}
worker_processes 1;
error_log stderr warn;
pid {place}/nginx.pid;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  client_body_temp_path {place}/body;
  proxy_temp_path {place}/proxy;
  fastcgi_temp_path {place}/fastcgi;
  uwsgi_temp_path {place}/uwsgi;
  scgi_temp_path {place}/scgi;
  {http}
}}
"""


def write_nginx(target: Path, http: str, place: Path | None = None, main: str = "user root; daemon off;") -> Path:
    """Write `target`, with `http` in its http block. `place`: the directory of its other files, by default the same."""
    target.write_text(CONFIGURATION.format(main=main, place=place or target.parent, http=http))
    return target
