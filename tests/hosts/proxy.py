#!/usr/bin/env python3
"""A slow and lossy road to servers, for the drills (the kernel here has no netem).

  proxy.py DELAY_MS LOSS_PERCENT LISTEN_PORT=HOST:PORT...

Each way takes DELAY_MS. A piece of data that is lost comes later by what TCP needs to send it again (at least 200 ms, RFC
6298 as Linux has it, and a round trip); what follows waits for it, as on a real connection.
"""
import asyncio
import random
import sys

RETRANSMIT_MS = 200
CHUNK = 16384


async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float, loss: float) -> None:
    queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    async def deliver() -> None:
        while True:
            due, data = await queue.get()
            await asyncio.sleep(max(0.0, due - loop.time()))
            if not data:
                writer.close()
                return
            writer.write(data)
            await writer.drain()

    task = loop.create_task(deliver())
    try:
        while data := await reader.read(CHUNK):
            late = RETRANSMIT_MS / 1000 + 2 * delay if random.random() < loss else 0.0
            queue.put_nowait((loop.time() + delay + late, data))
    except OSError:
        pass
    queue.put_nowait((loop.time() + delay, b""))
    try:
        await task
    except OSError:
        writer.close()


async def main() -> None:
    delay, loss = float(sys.argv[1]) / 1000, float(sys.argv[2]) / 100
    for road in sys.argv[3:]:
        listen, _, target = road.partition("=")
        host, _, port = target.rpartition(":")

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str = host,
                        port: str = port) -> None:
            try:
                there, back = await asyncio.wait_for(asyncio.open_connection(host, int(port)), 5)
            except (OSError, asyncio.TimeoutError):
                writer.close()
                return
            await asyncio.gather(pipe(reader, back, delay, loss), pipe(there, writer, delay, loss))

        await asyncio.start_server(serve, "127.0.0.1", int(listen))
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
