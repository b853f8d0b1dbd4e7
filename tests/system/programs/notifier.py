"""A service that does what it is told through a fifo: notifier.py FIFO [FIRST-COMMAND ...]

say TEXT       send TEXT on $NOTIFY_SOCKET (\\n is a new line)
child TEXT     the same by a child that exits at once
barrier TEXT   TEXT, then BARRIER=1 with a pipe; carried out when the other end is closed
on TERM TEXT   from now on TERM makes it say TEXT and nothing else (empty: nothing); HUP likewise
beat MS        WATCHDOG=1 every MS ms from now on (0: never)
exit CODE      end
Every command that was carried out, and every signal, is a line in FIFO.diary.
"""
import os
import select
import signal
import socket
import struct
import sys

fifo = sys.argv[1]
diary = open(fifo + ".diary", "a", buffering=1)
address = os.environ.get("NOTIFY_SOCKET", "").replace("@", "\0", 1)
beat = None


def send(text, fds=()):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        anc = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("i", fd)) for fd in fds]
        s.sendmsg([text.replace("\\n", "\n").encode("utf-8", "surrogateescape")], anc, 0, address)


def in_child(text):
    pid = os.fork()
    if pid == 0:
        send(text)
        os._exit(0)
    os.waitpid(pid, 0)


def barrier(text):
    send(text)
    here, there = os.pipe()
    send("BARRIER=1", [there])
    os.close(there)
    select.select([here], [], [], 10)
    os.close(here)


def on(name, text):
    def told(signo, frame):
        diary.write(f"signal {name}\n")
        for part in text.split(";"):
            if part:
                send(part)
    signal.signal(getattr(signal, "SIG" + name), told)


def obey(line):
    global beat
    verb, _, rest = line.partition(" ")
    if verb == "say":
        send(rest)
    elif verb == "child":
        in_child(rest)
    elif verb == "barrier":
        barrier(rest)
    elif verb == "on":
        on(*rest.partition(" ")[::2])
    elif verb == "beat":
        beat = int(rest) / 1000 or None
    elif verb == "exit":
        os._exit(int(rest))
    diary.write(line + "\n")


fd = os.open(fifo, os.O_RDWR)
for command in sys.argv[2:]:
    obey(command)
rest = b""
while True:
    ready, _, _ = select.select([fd], [], [], beat)
    if not ready:
        send("WATCHDOG=1")
        continue
    *lines, rest = (rest + os.read(fd, 65536)).split(b"\n")
    for line in lines:
        obey(line.decode("utf-8", "surrogateescape"))
