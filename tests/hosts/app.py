#!/usr/bin/env python3
"""An application with three SERVER lines, for the drills: holds licenses all the time, and takes and returns one more,
over and over, in one session.

  app.py LIBRARY SEARCH_PATH NAME DIR

DIR/NAME.requests gets a line for each request: when it ended (monotonic seconds), how long it took in ms, its error
(0: granted and returned). DIR/NAME.events gets what libtriad tells of its licenses. While DIR/pause exists it asks for
nothing and DIR/NAME.paused exists; it ends, and gives back what it holds, when DIR/stop exists.
"""
import ctypes
import sys
import time
from ctypes import POINTER, byref, c_char, c_char_p, c_int, c_uint64, c_size_t, c_void_p, c_int64
from pathlib import Path

HELD, HELD_COUNT = b"tserver_sdn", 5
TAKEN = b"agent_seats"
PAUSE_S = 0.02  # between two requests


class Options(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("vendor", c_char_p), ("application", c_char_p), ("version", c_char_p),
                ("user", c_char_p), ("host", c_char_p), ("display", c_char_p), ("project", c_char_p),
                ("request_timeout_ms", c_int), ("insecure", c_int), ("key_vendor", c_char_p), ("key", c_void_p),
                ("refuse_unconfirmed", c_int), ("unconfirmed_grace_ms", c_int64)]


class Event(ctypes.Structure):
    _fields_ = [("kind", c_char * 32), ("number", c_char * 16), ("cause", c_char * 64), ("feature", c_char * 256),
                ("reason", c_char * 256), ("license", c_uint64), ("count", c_uint64)]


def load(path: str) -> ctypes.CDLL:
    library = ctypes.CDLL(path)
    library.triad_open.argtypes = [c_char_p, POINTER(Options), POINTER(c_uint64)]
    library.triad_close.argtypes = [c_uint64]
    library.triad_checkout.argtypes = [c_uint64, c_char_p, c_char_p, c_uint64, c_int, POINTER(c_uint64)]
    library.triad_checkin.argtypes = [c_uint64]
    library.triad_next_event.argtypes = [c_uint64, POINTER(Event), c_int]
    library.triad_last_error.restype = c_char_p
    return library


def main() -> None:
    library, search_path, name, directory = sys.argv[1], sys.argv[2], sys.argv[3], Path(sys.argv[4])
    triad = load(library)
    options = Options(size=ctypes.sizeof(Options), user=name.encode(), host=b"apps", request_timeout_ms=20_000)
    client, held, taken, event = c_uint64(), c_uint64(), c_uint64(), Event()
    if triad.triad_open(search_path.encode(), byref(options), byref(client)) != 0:
        sys.exit(f"{name}: {triad.triad_last_error().decode()}")
    if triad.triad_checkout(client, HELD, None, HELD_COUNT, 0, byref(held)) != 0:
        sys.exit(f"{name}: {triad.triad_last_error().decode()}")
    paused = directory / f"{name}.paused"
    with (open(directory / f"{name}.requests", "w", buffering=1) as requests,
          open(directory / f"{name}.events", "w", buffering=1) as events):
        while not (directory / "stop").exists():
            while triad.triad_next_event(client, byref(event), 0) == 1:
                print(f"{time.monotonic():.3f} {event.kind.decode()} {event.feature.decode()} {event.reason.decode()}",
                      file=events)
            if (directory / "pause").exists():
                paused.touch()
                time.sleep(PAUSE_S)
                continue
            paused.unlink(missing_ok=True)
            begun = time.monotonic()
            error = triad.triad_checkout(client, TAKEN, None, 1, 0, byref(taken))
            if error == 0:
                error = triad.triad_checkin(taken)
            ended = time.monotonic()
            words = "" if error == 0 else " " + triad.triad_last_error().decode()
            print(f"{ended:.4f} {(ended - begun) * 1000:.1f} {error}{words}", file=requests)
            time.sleep(PAUSE_S)
    triad.triad_close(client)


if __name__ == "__main__":
    main()
