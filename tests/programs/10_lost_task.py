import asyncio


async def send_mail(to):
    await asyncio.sleep(0.3)
    print("sent to", to)


async def main():
    asyncio.create_task(send_mail("Ann"))  # HERE
    await asyncio.sleep(0.1)
    print("done")


if __name__ == "__main__":
    asyncio.run(main())
