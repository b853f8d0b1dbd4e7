"""terminal.py - a program on a terminal of its own, and what a person would see there."""
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time


class Screen:
    """Lines without end, of which the last `rows` can be written over; as far as our programs need one."""

    def __init__(self, rows, columns):
        self.rows, self.columns, self.lines, self.row, self.column, self.frames = rows, columns, [""], 0, 0, 0

    def write(self, text):
        for part in re.findall("\x1b\\[[0-9;?]*[A-Za-z]|[^\x1b]", text):
            self._write(part)

    def _write(self, part):
        if part == "\r":
            self.column = 0
        elif part == "\n":
            self.row += 1
            while len(self.lines) <= self.row:
                self.lines.append("")
        elif part[0] != "\x1b":
            line = self.lines[self.row].ljust(self.column)
            self.lines[self.row] = line[:self.column] + part + line[self.column + 1:]
            self.column += 1
        elif part[-1] == "A":
            self.frames += 1
            self.row -= int(part[2:-1] or 1)
            assert self.row >= len(self.lines) - self.rows, "the cursor left the screen"
        elif part[-1] == "K":
            self.lines[self.row] = self.lines[self.row][:self.column]
        elif part[-1] == "J":
            self.lines = self.lines[:self.row] + [self.lines[self.row][:self.column]]
        else:
            assert part[-1] == "m", part


class Terminal:
    def __init__(self, command, env, cwd, rows=24, columns=80):
        self.master, theirs = pty.openpty()
        self.screen, self.raw = Screen(rows, columns), b""
        self.resize(rows, columns)
        self.process = subprocess.Popen(command, env=env, cwd=cwd, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
                                        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.close(theirs)

    def resize(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self, seconds=0.02):
        """False: it is closed."""
        if not select.select([self.master], [], [], seconds)[0]:
            return self.process.poll() is None or bool(select.select([self.master], [], [], 0)[0])
        try:
            part = os.read(self.master, 65536)
        except OSError:
            return False
        self.raw += part
        self.screen.write(part.decode("utf-8", "replace"))
        return bool(part)

    def see(self, pattern, bound=10):
        """Until the screen shows it."""
        end = time.monotonic() + bound
        while not re.search(pattern, self.text()):
            assert time.monotonic() < end, (pattern, self.text())
            if not self.read():
                break
        assert re.search(pattern, self.text()), (pattern, self.text())

    def text(self):
        return "\n".join(self.screen.lines)

    def end(self, bound=20):
        end = time.monotonic() + bound
        while self.read():
            assert time.monotonic() < end, self.text()
        status = self.process.wait(5)
        os.close(self.master)
        return status
