"""Processes of their own; a ProcessPoolExecutor does the same for functions of a module."""

import asyncio
import sys

PROGRAM = """
primes = []
for number in range(2, 10_000):
    if all(number % prime for prime in primes):
        primes.append(number)
print(len(primes))
"""


async def count_primes():
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-c", PROGRAM, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    return int(output)


async def main():
    print(await asyncio.gather(count_primes(), count_primes()))


if __name__ == "__main__":
    asyncio.run(main())
