import asyncio


async def count_primes(most):
    primes = []
    for number in range(2, most):
        if all(number % prime for prime in primes):  # HERE
            primes.append(number)
    return len(primes)


async def main():
    counts = await asyncio.gather(count_primes(20_000), count_primes(20_000), count_primes(20_000))
    print(counts)


if __name__ == "__main__":
    asyncio.run(main())
