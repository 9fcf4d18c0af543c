"""A folder that machines mount and that stops answering on request, as an NFS server that hangs does.

This kernel has no NFS. It is a FUSE file system, its requests answered here from a folder of this computer; while it
hangs they wait in the kernel, and so does whoever made them. Protocol: Linux' include/uapi/linux/fuse.h, 7.31.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import struct
import threading
from collections.abc import Callable
from pathlib import Path

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNS, MNT_DETACH, MS_NOSUID, MS_NODEV = 0x00020000, 2, 2, 4
HEAD, REPLY = struct.Struct("<IIQQIIII"), struct.Struct("<IiQ")
ATTR = struct.Struct("<6Q10I")
LOOKUP, FORGET, GETATTR, SETATTR, READLINK, UNLINK, OPEN, READ, WRITE = 1, 2, 3, 4, 5, 10, 14, 15, 16
STATFS, RELEASE, FLUSH, INIT, OPENDIR, READDIR, RELEASEDIR, CREATE = 17, 18, 25, 26, 27, 28, 29, 35
INTERRUPT, BATCH_FORGET = 36, 42
SIZE = 8
"""Of SETATTR: the file's length is set."""
SILENT = (FORGET, BATCH_FORGET, INTERRUPT)
"""Requests without an answer."""
ROOT_ID, VALID = 1, 1


class HangingShare:
    """The folder, mounted over another one in a process's mount namespace until it is closed.

    Args:
        folder: what is shown.
        target: where, as that process sees it.
        pid: of the process.
    """

    def __init__(self, folder: Path, target: str, pid: int) -> None:
        self.target, self.pid = target, pid
        self.paths, self.ids = {ROOT_ID: folder}, {folder: ROOT_ID}
        self.answers = threading.Event()
        self.answers.set()
        self.device = os.open("/dev/fuse", os.O_RDWR)
        self._there(self._mount)
        threading.Thread(target=self._serve, daemon=True).start()

    def hang(self) -> None:
        """Answers nothing from now on."""
        self.answers.clear()

    def go_on(self) -> None:
        """Answers what waits, and all that comes."""
        self.answers.set()

    def close(self) -> None:
        self.go_on()
        self._there(lambda: int(LIBC.umount2(self.target.encode(), MNT_DETACH)))
        os.close(self.device)

    def _there(self, act: Callable[[], int]) -> None:
        """In a child, since a process with threads can't change its mount namespace."""
        child = os.fork()
        if not child:
            code = 1
            try:
                with open(f"/proc/{self.pid}/ns/mnt") as place:  # noqa: PTH123
                    entered = LIBC.setns(place.fileno(), CLONE_NEWNS)
                code = 1 if entered else 0 if act() == 0 else 2
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        assert status == 0, f"{self.target} was not mounted or unmounted: {status >> 8}"

    def _mount(self) -> int:
        options = f"fd={self.device},rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions"
        words = (b"nas:/share", self.target.encode(), b"fuse.nfs", MS_NOSUID | MS_NODEV, options.encode())
        return int(LIBC.mount(*words))

    def _serve(self) -> None:
        while True:
            try:
                request = os.read(self.device, 1 << 20)
            except OSError as error:
                if error.errno in (errno.ENOENT, errno.EINTR, errno.EAGAIN):
                    continue
                return
            self.answers.wait()
            _, code, unique, node, *_ = HEAD.unpack_from(request)
            if code in SILENT:
                continue
            try:
                body, failed = self._answer(code, node, request[HEAD.size :]), 0
            except OSError as error:
                body, failed = b"", -(error.errno or errno.EIO)
            try:
                os.write(self.device, REPLY.pack(REPLY.size + len(body), failed, unique) + body)
            except OSError:  # whoever asked is gone, or the mount is
                continue

    def _answer(self, code: int, node: int, words: bytes) -> bytes:
        answers: dict[int, Callable[[int, bytes], bytes]] = {
            INIT: self._init,
            LOOKUP: self._lookup,
            GETATTR: self._attributes,
            READLINK: self._link,
            OPEN: lambda *_: struct.pack("<Q2I", 0, 0, 0),
            OPENDIR: lambda *_: struct.pack("<Q2I", 0, 0, 0),
            READ: self._read,
            READDIR: self._entries,
            STATFS: self._room,
            RELEASE: lambda *_: b"",
            RELEASEDIR: lambda *_: b"",
            FLUSH: lambda *_: b"",
            CREATE: self._create,
            WRITE: self._write,
            SETATTR: self._set,
            UNLINK: self._remove,
        }
        if code not in answers:
            raise OSError(errno.ENOSYS, "not needed by what is tried")
        return answers[code](node, words)

    def _init(self, _: int, words: bytes) -> bytes:
        major, minor, ahead, _flags = struct.unpack_from("<4I", words)
        return struct.pack("<4I2H2I2HI7I", major, min(minor, 31), ahead, 0, 12, 9, 1 << 17, 1, 32, 0, *[0] * 8)

    def _lookup(self, node: int, words: bytes) -> bytes:
        return self._entry(self.paths[node] / words.rstrip(b"\0").decode())

    def _create(self, node: int, words: bytes) -> bytes:
        mode = struct.unpack_from("<2I", words)[1]
        path = self.paths[node] / words[16:].rstrip(b"\0").decode()
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, mode & 0o7777))
        return self._entry(path) + struct.pack("<Q2I", 0, 0, 0)

    def _write(self, node: int, words: bytes) -> bytes:
        _, offset, size = struct.unpack_from("<2QI", words)
        with self.paths[node].open("r+b") as file:
            return struct.pack("<2I", os.pwrite(file.fileno(), words[40 : 40 + size], offset), 0)

    def _set(self, node: int, words: bytes) -> bytes:
        valid, _, _, size = struct.unpack_from("<2I2Q", words)
        if valid & SIZE:
            os.truncate(self.paths[node], size)
        return self._attributes(node, b"")

    def _remove(self, node: int, words: bytes) -> bytes:
        (self.paths[node] / words.rstrip(b"\0").decode()).unlink()
        return b""

    def _entry(self, found: Path) -> bytes:
        kept = found.lstat()
        number = self.ids.setdefault(found, len(self.ids) + 1)
        self.paths[number] = found
        return struct.pack("<4Q2I", number, 0, VALID, VALID, 0, 0) + attributes(kept, number)

    def _attributes(self, node: int, _: bytes) -> bytes:
        return struct.pack("<Q2I", VALID, 0, 0) + attributes(self.paths[node].lstat(), node)

    def _link(self, node: int, _: bytes) -> bytes:
        return str(self.paths[node].readlink()).encode()

    def _read(self, node: int, words: bytes) -> bytes:
        _, offset, size = struct.unpack_from("<2QI", words)
        with self.paths[node].open("rb") as file:
            return os.pread(file.fileno(), size, offset)

    def _entries(self, node: int, words: bytes) -> bytes:
        _, offset, size = struct.unpack_from("<2QI", words)
        return entries(self.paths[node], offset, size)

    def _room(self, node: int, _: bytes) -> bytes:
        seen = os.statvfs(self.paths[node])
        room = (seen.f_blocks, seen.f_bfree, seen.f_bavail, seen.f_files, seen.f_ffree)
        return struct.pack("<5Q10I", *room, seen.f_bsize, seen.f_namemax, seen.f_frsize, *[0] * 7)


def attributes(seen: os.stat_result, number: int) -> bytes:
    """struct fuse_attr."""
    nanoseconds = [int(moment % 10**9) for moment in (seen.st_atime_ns, seen.st_mtime_ns, seen.st_ctime_ns)]
    times = (int(seen.st_atime), int(seen.st_mtime), int(seen.st_ctime))
    owner = (seen.st_mode, seen.st_nlink, seen.st_uid, seen.st_gid, 0, 4096, 0)
    return ATTR.pack(number, seen.st_size, (seen.st_size + 511) // 512, *times, *nanoseconds, *owner)


def entries(folder: Path, offset: int, size: int) -> bytes:
    """As many of a folder's entries, from one on, as have room: struct fuse_dirent each."""
    names = [".", "..", *sorted(each.name for each in folder.iterdir())]
    found = b""
    for number, name in list(enumerate(names))[offset:]:
        kind = stat.S_IFMT((folder / name).lstat().st_mode) >> 12
        entry = struct.pack("<2Q2I", number + 1, number + 1, len(name.encode()), kind) + name.encode()
        entry += b"\0" * (-len(entry) % 8)
        if len(found) + len(entry) > size:
            break
        found += entry
    return found
