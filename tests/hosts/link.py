#!/usr/bin/env python3
"""A slow and lossy cable, for the drills (the kernel here has no netem).

  link.py ONE OTHER DELAY_MS LOSS_PERCENT

ONE and OTHER are TAP devices, which it makes; a frame that goes into one comes out of the other after DELAY_MS, or never.
"ready" on stdout says that they are there. They go when it ends.
"""
import collections
import fcntl
import os
import random
import select
import struct
import sys
import time

TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 0x0002, 0x1000
FRAME = 65536


def tap(name: str) -> int:
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TAP | IFF_NO_PI))
    return fd


def main() -> None:
    ends = tap(sys.argv[1]), tap(sys.argv[2])
    delay, loss = float(sys.argv[3]) / 1000, float(sys.argv[4]) / 100
    print("ready", flush=True)
    under_way: collections.deque[tuple[float, int, bytes]] = collections.deque()
    while True:
        wait = max(0.0, under_way[0][0] - time.monotonic()) if under_way else None
        readable, _, _ = select.select(ends, (), (), wait)
        for end in readable:
            try:
                frame = os.read(end, FRAME)
            except OSError:
                continue
            if random.random() >= loss:
                under_way.append((time.monotonic() + delay, ends[1 - ends.index(end)], frame))
        while under_way and under_way[0][0] <= time.monotonic():
            _, end, frame = under_way.popleft()
            try:
                os.write(end, frame)
            except OSError:
                pass  # lost, as on a cable that is pulled


if __name__ == "__main__":
    main()
