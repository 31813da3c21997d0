import asyncio


async def cook_rice():
    print("rice is on")
    await asyncio.sleep(0.4)
    print("rice is done")


async def wash_clothes():
    print("clothes are in")
    await asyncio.sleep(0.3)
    print("clothes are clean")


async def wash_dishes():
    print("dishes are in")
    await asyncio.sleep(0.3)
    print("dishes are clean")


async def main():
    await cook_rice()  # HERE
    await wash_clothes()
    await wash_dishes()


if __name__ == "__main__":
    asyncio.run(main())
