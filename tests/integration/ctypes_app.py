#!/usr/bin/env python3
"""libtriad's C interface from a language that knows no C++: opens, checks out, resizes, returns.

  ctypes_app.py LIBRARY SEARCH_PATH FEATURE     feature with at least 5 licenses
"""
import ctypes
import os
import sys
from ctypes import POINTER, byref, c_char, c_char_p, c_int, c_uint32, c_uint64


class Status(ctypes.Structure):
    _fields_ = [("state", c_int), ("usable", c_int), ("count", c_uint64), ("handle", c_uint64), ("node", c_uint32)]


class Event(ctypes.Structure):
    _fields_ = [("kind", c_char * 32), ("number", c_char * 16), ("cause", c_char * 64), ("feature", c_char * 256),
                ("reason", c_char * 256), ("license", c_uint64), ("count", c_uint64)]


def load(path: str) -> ctypes.CDLL:
    library = ctypes.CDLL(path)
    library.triad_open.argtypes = [c_char_p, ctypes.c_void_p, POINTER(c_uint64)]
    library.triad_close.argtypes = [c_uint64]
    library.triad_checkout.argtypes = [c_uint64, c_char_p, c_char_p, c_uint64, c_int, POINTER(c_uint64)]
    library.triad_checkin.argtypes = [c_uint64]
    library.triad_resize.argtypes = [c_uint64, c_uint64, c_int]
    library.triad_set_idle.argtypes = [c_uint64, c_int]
    library.triad_next_event.argtypes = [c_uint64, POINTER(Event), c_int]
    library.triad_status.argtypes = [c_uint64, POINTER(Status)]
    library.triad_strerror.argtypes = [c_int]
    library.triad_strerror.restype = c_char_p
    library.triad_last_error.restype = c_char_p
    return library


def main() -> None:
    path, search_path, feature = sys.argv[1:4]
    triad = load(path)

    def need(error: int, what: str, want: int = 0) -> None:
        if error != want:
            sys.exit(f"{what}: {error}, not {want}: {triad.triad_last_error().decode()}")

    client, license_, status, event = c_uint64(), c_uint64(), Status(), Event()
    need(triad.triad_open(search_path.encode(), None, byref(client)), "open")
    need(triad.triad_checkout(client, feature.encode(), None, 3, 0, byref(license_)), "checkout")
    need(triad.triad_status(license_, byref(status)), "status")
    if (status.state, status.usable, status.count) != (0, 1, 3):
        sys.exit(f"held {status.count}, state {status.state}")
    handle = status.handle
    need(triad.triad_resize(license_, 5, 0), "resize")
    need(triad.triad_status(license_, byref(status)), "status")
    if (status.count, status.handle) != (5, handle):
        sys.exit(f"after the resize: {status.count}, handle {status.handle}, not 5, handle {handle}")
    if triad.triad_resize(license_, 1_000_000, 0) >= 0:
        sys.exit("more are held than there are")
    need(triad.triad_set_idle(license_, 1), "set_idle")
    need(triad.triad_next_event(client, byref(event), 0), "an event where none is")
    child = os.fork()
    if child == 0:
        os._exit(0 if triad.triad_checkin(license_) == -42 else 1)
    if os.waitpid(child, 0)[1] != 0:
        sys.exit("a child may use its parent's handles")
    need(triad.triad_checkin(license_), "checkin")
    need(triad.triad_checkin(license_), "a second checkin", -42)
    need(triad.triad_checkout(client, b"no_such_feature", None, 1, 0, byref(license_)), "no such feature", -5)
    if triad.triad_strerror(-5) != b"no such feature exists":
        sys.exit(triad.triad_strerror(-5).decode())
    need(triad.triad_close(client), "close")
    need(triad.triad_close(client), "a second close", -42)
    print(f"all as it should be, handle {handle}")


if __name__ == "__main__":
    main()
