#!/usr/bin/env python3
"""What idle keep-alive connections cost in memory: tests/bench/idle.py [PROGRAM [CONNECTIONS]]

Each has asked once for what passes through. By default 10,000, of target/release/countersign.
"""
import os
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time

program = sys.argv[1] if len(sys.argv) > 1 else "target/release/countersign"
connections = int(sys.argv[2]) if len(sys.argv) > 2 else 10_000


def free_port():
    """One below those that Linux gives to whoever connects."""
    for port in random.sample(range(20000, 32000), 12000):
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return port
    raise OSError("no port is free")


def upstream(listener):
    def serve(peer):
        while peer.recv(65536):
            peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK")

    while True:
        peer, _ = listener.accept()
        threading.Thread(target=serve, args=(peer,), daemon=True).start()


listener = socket.create_server(("127.0.0.1", 0), backlog=100)
threading.Thread(target=upstream, args=(listener,), daemon=True).start()
port = free_port()
with tempfile.TemporaryDirectory() as folder:
    with open(f"{folder}/key", "w") as file:
        file.write("canary-idle-key-123")
    with open(f"{folder}/countersign.yaml", "w") as file:
        file.write(f"""
listen: [{{ address: "127.0.0.1:{port}" }}]
log: {{ level: error }}
limits: {{ connections: 60000, connections_per_address: 60000, idle_timeout: 10m }}
upstreams:
  site: {{ url: "http://127.0.0.1:{listener.getsockname()[1]}" }}
  out: {{ print: events }}
routes:
  - {{ path: /pay, gateway: liqpay, upstream: out, forward: {{ as: canonical, to: /events }},
      params: {{ public_key: i1, private_key: "file:key" }} }}
proxy: [{{ upstream: site }}]
""")
    daemon = subprocess.Popen([program, "run", "--config", f"{folder}/countersign.yaml"])
    try:
        def resident():
            with open(f"/proc/{daemon.pid}/status") as status:
                return int(next(line for line in status if line.startswith("VmRSS")).split()[1])

        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                time.sleep(0.05)
        before, held = resident(), []
        for _ in range(connections):
            held.append(socket.create_connection(("127.0.0.1", port), timeout=5))
            held[-1].sendall(b"GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n")
            answer = b""
            while not answer.endswith(b"\r\n\r\nOK"):
                part = held[-1].recv(4096)
                assert part, answer
                answer += part
        after = resident()
        print(f"{before} KiB, with {connections} idle connections {after} KiB: "
              f"{(after - before) / connections:.1f} KiB each")
    finally:
        daemon.terminate()
        daemon.wait()
