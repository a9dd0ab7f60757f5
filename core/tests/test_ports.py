"""Ports for servers that tests start."""

import socket
from pathlib import Path

import pytest

from core.tests import ports

RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


@pytest.mark.skipif(not RANGE.exists(), reason="only Linux tells its ports of outgoing connections there")
def test_no_outgoing_connection_takes_the_port_meanwhile():
    assert ports.PORTS.stop <= int(RANGE.read_text().split()[0])


def test_a_port_in_use_is_not_offered(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as server:
        used = server.getsockname()[1]
        monkeypatch.setattr(ports, "PORTS", range(used, used + 1))

        with pytest.raises(OSError, match="no free port"):
            ports.free_port()
