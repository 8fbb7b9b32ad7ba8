"""The lab's own PostgreSQL and RabbitMQ: private folders and ports, an unprivileged user, fsync on, no system service.

They run under the controller's supervisor like everything else there, so that a killed one comes back.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import host
import services
from lab_names import AMQP_PORT, CONTROLLER_ADDRESS, EPMD_PORT, ERLANG_PORT, MANAGEMENT_PORT
from layout import SERVICE_USER, Layout
from progress import StepFailed, wait_for
from services import Program

DATABASE = VHOST = "cumulet"
POSTGRESQL_START_S, RABBITMQ_START_S = 60.0, 120.0
LONGEST_SOCKET_PATH = 100  # the kernel allows 107
RABBITMQ = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")  # the wrapper in /usr/sbin insists on the system's user


def database_url(layout: Layout) -> str:
    return f"postgresql+psycopg://{SERVICE_USER}@/{DATABASE}?host={_sockets(layout)}"


def _sockets(layout: Layout) -> Path:
    return layout.run / "postgresql"


# -- PostgreSQL -------------------------------------------------------------------------------------------------------


def make_database_cluster(layout: Layout) -> None:
    """The data folder, once. Only the services' user and root may log in, as the kernel says who they are."""
    data = layout.state / "postgresql"
    if len(str(_sockets(layout) / ".s.PGSQL.5432")) > LONGEST_SOCKET_PATH:
        raise StepFailed(f"{layout.state} is too long a path for a socket below it; choose another CUMULET_STATE_DIR")
    if (data / "PG_VERSION").exists():
        return
    command = [postgresql("initdb"), "-D", data, "-U", SERVICE_USER, "-A", "peer", "-E", "UTF8", "--locale=C.UTF-8"]
    services.as_user(command, what="making the database's folder", env={})
    (data / "pg_hba.conf").write_text("local all all peer map=lab\n")
    (data / "pg_ident.conf").write_text(f"lab {SERVICE_USER} {SERVICE_USER}\nlab root {SERVICE_USER}\n")


def postgresql_program(layout: Layout) -> Program:
    settings = {
        "unix_socket_directories": _sockets(layout),
        "listen_addresses": "",
        "max_connections": 200,
        "shared_buffers": "64MB",
    }
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    return Program(
        "postgresql", [postgresql("postgres"), "-D", layout.state / "postgresql", *options], SERVICE_USER,
        settings={"stopsignal": "INT", "umask": "077", "priority": 1, "autostart": "false"},
    )  # fmt: skip


def wait_for_database(layout: Layout) -> None:
    """Until it answers; makes the services' database in it when there is none. Raises StepFailed."""
    wait_for(
        lambda: _postgresql_answers(layout),
        deadline_s=POSTGRESQL_START_S,
        failed=lambda: f"PostgreSQL does not answer; see {layout.log}/postgresql.out",
    )
    there = _sql(layout, f"SELECT count(*) FROM pg_database WHERE datname = '{DATABASE}'")
    if there.strip() == "0":
        _sql(layout, f"CREATE DATABASE {DATABASE}")


def _postgresql_answers(layout: Layout) -> bool:
    command = [postgresql("pg_isready"), "-q", "-h", str(_sockets(layout))]
    return subprocess.run(command, capture_output=True, timeout=10, check=False).returncode == 0


def _sql(layout: Layout, statement: str) -> str:
    command = [postgresql("psql"), "-h", _sockets(layout), "-d", "postgres", "-qtAX", "-c", statement]
    return services.as_user(command, what=f"PostgreSQL: {statement}", env={}, timeout_s=30)


def postgresql(name: str) -> str:
    """One of its programs, of the newest version; Debian keeps them off the PATH."""
    versions = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: float(path.parts[-3]))
    found = str(versions[-1]) if versions else shutil.which(name)
    if not found:
        raise StepFailed(f"{name} of PostgreSQL is missing: apt-get install postgresql")
    return found


# -- RabbitMQ ---------------------------------------------------------------------------------------------------------


def configure_broker(layout: Layout, password: str) -> None:
    """One user, the services', which comes back when the broker's data are lost; the nodes' are made by the scheduler.

    Raises StepFailed when RabbitMQ is not installed.
    """
    if not RABBITMQ.exists():
        raise StepFailed(f"{RABBITMQ} is missing: apt-get install rabbitmq-server")
    top = layout.state / "rabbitmq"
    settings = {
        "listeners.tcp.1": f"127.0.0.1:{AMQP_PORT}",
        "listeners.tcp.2": f"{CONTROLLER_ADDRESS}:{AMQP_PORT}",
        "management.tcp.ip": "127.0.0.1",
        "management.tcp.port": MANAGEMENT_PORT,
        "default_vhost": VHOST,
        "default_user": SERVICE_USER,
        "default_pass": password,
        "default_user_tags.administrator": "true",  # the scheduler makes a user for every node
        **{f"default_permissions.{right}": "^cumulet[.]" for right in ("configure", "read", "write")},
        "log.file.level": "warning",
        "vm_memory_high_watermark.absolute": "512MB",
        "disk_free_limit.absolute": "50MB",
        "raft.wal_max_size_bytes": 4 * 1024 * 1024,  # else it may take 512 MiB
    }
    group = (layout.etc.stat()).st_gid
    text = "".join(f"{key} = {value}\n" for key, value in settings.items())
    host.write_private(layout.etc / "rabbitmq.conf", text, mode=0o640, group=group)
    host.write_private(layout.etc / "rabbitmq.plugins", "[rabbitmq_management].\n", mode=0o640, group=group)
    for name in ("home", "log", "data"):
        folder = top / name
        folder.mkdir(exist_ok=True)
        shutil.chown(folder, SERVICE_USER, SERVICE_USER)


def broker_programs(layout: Layout) -> list[Program]:
    """The port mapper of Erlang is one, too: the broker would start one of its own, which outlives it."""
    top = layout.state / "rabbitmq"
    shared = {"ERL_EPMD_PORT": EPMD_PORT, "ERL_EPMD_ADDRESS": "127.0.0.1", "HOME": top / "home"}
    environment = {
        **shared,
        "RABBITMQ_NODENAME": "cumulet@localhost",
        "RABBITMQ_MNESIA_BASE": top / "data",
        "RABBITMQ_LOG_BASE": top / "log",
        "RABBITMQ_CONFIG_FILE": layout.etc / "rabbitmq.conf",
        "RABBITMQ_ENABLED_PLUGINS_FILE": layout.etc / "rabbitmq.plugins",
        "RABBITMQ_PID_FILE": top / "pid",
        "RABBITMQ_DIST_PORT": ERLANG_PORT,
        "RABBITMQ_CONF_ENV_FILE": "/dev/null",
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+sbwt none -kernel inet_dist_use_interface {127,0,0,1}",
        "RUNNING_UNDER_SYSTEMD": "true",  # the script becomes the broker, so that a signal meets it and not the script
    }
    return [
        Program(
            "epmd", ["epmd", "-port", EPMD_PORT, "-address", "127.0.0.1"], SERVICE_USER, shared, {"priority": 1}
        ),
        Program("rabbitmq", [RABBITMQ], SERVICE_USER, environment, {"priority": 2, "stopwaitsecs": 30}),
    ]  # fmt: skip


def wait_for_broker(layout: Layout) -> None:
    """Its ports open before it is ready, and the pid file is written before its ports are open: all must be there."""
    wait_for(
        lambda: (layout.state / "rabbitmq/pid").exists() and _listens(AMQP_PORT) and _management_answers(),
        deadline_s=RABBITMQ_START_S,
        failed=lambda: f"RabbitMQ does not answer; see {layout.log}/rabbitmq.out and {layout.state}/rabbitmq/log",
    )


def _listens(port: int) -> bool:
    try:
        socket.create_connection((CONTROLLER_ADDRESS, port), timeout=1).close()
    except OSError:
        return False
    return True


def _management_answers() -> bool:
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{MANAGEMENT_PORT}/api/overview", timeout=3).close()
    except urllib.error.HTTPError:  # it wants a password: it is there
        return True
    except OSError:
        return False
    return True
