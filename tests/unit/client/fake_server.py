"""A supervisor of a few lines: says over a Unix socket what a test wants said, keeps what it was asked."""
import json
import socket
import threading


class FakeServer:
    """answers: method -> result, Error, bytes (the whole HTTP answer), a list (one for each call, the last
    stays), or a function of the parameters."""

    def __init__(self, path, **answers):
        self.asked, self.chunked, self.events = [], False, [{"event": "snapshot"}]
        self.answers = {name.replace("__", "."): answer for name, answer in answers.items()}
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(path)
        self.socket.listen(16)
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()

    def params(self, method):
        return next(params for name, params in self.asked if name == method)

    def _serve(self):
        while True:
            try:
                peer, _ = self.socket.accept()
            except OSError:
                return
            try:
                with peer, peer.makefile("rb") as incoming:
                    peer.sendall(self._answer(self._read(incoming)))
            except OSError:
                pass  # it left

    @staticmethod
    def _read(incoming):
        length = 0
        for line in iter(incoming.readline, b"\r\n"):
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        return json.loads(incoming.read(length)) if length else None

    def _answer(self, request):
        if request is None:  # GET /events: these, then the end of the stream
            told = "".join(f"event: {e['event']}\ndata: {json.dumps(e)}\n\n" for e in self.events)
            return b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + told.encode()
        self.asked.append((request["method"], request["params"]))
        answer = self.answers.get(request["method"], Error(-32601, "no such method"))
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if callable(answer):
            answer = answer(request["params"])
        if isinstance(answer, bytes):
            return answer
        body = {"error": vars(answer)} if isinstance(answer, Error) else {"result": answer}
        return self._http(json.dumps({"jsonrpc": "2.0", "id": request["id"], **body}).encode())

    def _http(self, body):
        if not self.chunked:
            return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
        pieces = b"".join(b"%x\r\n%s\r\n" % (len(body[i:i + 7]), body[i:i + 7]) for i in range(0, len(body), 7))
        return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + pieces + b"0\r\n\r\n"


class Error:
    def __init__(self, code, message, **data):
        self.code, self.message, self.data = code, message, data
