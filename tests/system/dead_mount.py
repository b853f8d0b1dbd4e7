"""A file system that does not answer until it is told to: what hangs on it hangs (FUSE; root only)."""
import ctypes
import os
import struct
import threading

libc = ctypes.CDLL(None, use_errno=True)
MNT_DETACH = 2
INIT, FORGET, BATCH_FORGET = 26, 2, 42  # of linux/fuse.h
ENOSYS = 38


class DeadMount:
    """`path` hangs for whoever looks at it. answer(): from now on it is an empty folder."""

    def __init__(self, path):
        self.path = path
        path.mkdir()
        self.fd = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        options = f"fd={self.fd},rootmode=40755,user_id=0,group_id=0,allow_other".encode()
        if libc.mount(b"dead", os.fsencode(path), b"fuse", 0, options) < 0:
            raise OSError(ctypes.get_errno(), "mount")

    def answer(self):
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        try:
            while True:
                self._reply(os.read(self.fd, 1 << 17))
        except OSError:
            pass  # it was unmounted

    def _reply(self, request):
        _, opcode, unique = struct.unpack_from("IIQ", request)
        if opcode in (FORGET, BATCH_FORGET):
            return
        body, error = b"", -ENOSYS  # to ACCESS: everybody may
        if opcode == INIT:
            body, error = struct.pack("IIIIHHI", 7, 12, 0, 0, 1, 1, 4096), 0
        os.write(self.fd, struct.pack("IiQ", 16 + len(body), error, unique) + body)

    def close(self):
        libc.umount2(os.fsencode(self.path), MNT_DETACH)
        os.close(self.fd)
