#!/usr/bin/python3
"""rpc.py - one raw JSON-RPC call over a Unix socket, nothing between you and the wire.

    rpc.py SOCKET METHOD [PARAMS-AS-JSON]

Prints the result, exit 0; or the error to stderr, exit 1; exit 7 when nobody answers.
"""
import http.client
import json
import socket
import sys


def call(path, method, params):
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
    connection = http.client.HTTPConnection("localhost")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(path)
    connection.request("POST", "/rpc", body, {"Content-Type": "application/json"})
    return json.loads(connection.getresponse().read())


if len(sys.argv) < 3:
    sys.exit(__doc__)
try:
    answer = call(sys.argv[1], sys.argv[2], json.loads(sys.argv[3]) if len(sys.argv) > 3 else {})
except (OSError, http.client.HTTPException) as e:
    print(f"rpc.py: {sys.argv[1]}: {e}", file=sys.stderr)
    sys.exit(7)
if "error" in answer:
    print(json.dumps(answer["error"], indent=2), file=sys.stderr)
    sys.exit(1)
print(json.dumps(answer["result"], indent=2))
