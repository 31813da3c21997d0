import asyncio


async def answer(reader, writer):
    writer.write(await reader.readline())
    await asyncio.sleep(0.3)
    writer.close()


async def fetch(page, port):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)  # HERE
    writer.write(b"%d\n" % page)
    text = await reader.read()
    writer.close()
    return text


async def main():
    server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=400)
    async with server:
        port = server.sockets[0].getsockname()[1]
        pages = await asyncio.gather(*(fetch(page, port) for page in range(300)))
    print(len(pages), "pages")


if __name__ == "__main__":
    asyncio.run(main())
