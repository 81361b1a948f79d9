"""Passes bytes between whoever connects to a port of loopback and an address, until it is killed.

    relay.py PORT HOST:PORT

Stopped by SIGSTOP it is a network that swallows everything; what was under way arrives when it goes on.
"""

import asyncio
import sys


async def _pass_on(reader, writer):
    try:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    writer.close()


async def _connect(reader, writer, host, port):
    try:
        far_reader, far_writer = await asyncio.open_connection(host, port)
    except OSError:
        writer.close()
        return
    await asyncio.gather(_pass_on(reader, far_writer), _pass_on(far_reader, writer))


async def main():
    host, _, port = sys.argv[2].rpartition(":")

    async def connected(reader, writer):
        await _connect(reader, writer, host, int(port))

    server = await asyncio.start_server(connected, "127.0.0.1", int(sys.argv[1]))
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
