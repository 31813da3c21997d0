import asyncio


async def send_mail(to):
    await asyncio.sleep(0.3)
    print("sent to", to)


async def main():
    mail = asyncio.create_task(send_mail("Ann"))
    await asyncio.sleep(0.1)
    await mail
    print("done")


if __name__ == "__main__":
    asyncio.run(main())
