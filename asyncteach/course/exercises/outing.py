"""A crawler let loose on a server of its own: what it brings home, and what the server saw."""

import asyncio
from collections import Counter
from typing import Any

from asyncteach.checks.check import Check, check
from asyncteach.course.server.slow_server import Visit, slow_server


class Outing:
    """One crawler on one server, and what became of it."""

    def __init__(self, site: dict[str, str], **manners: Any) -> None:
        self.site = site
        self.server = slow_server(pages=site, **manners)
        self.shown: list[tuple[int, int]] = []
        self.verdict: Check

    async def run(self, crawl: Any, most: int = 10, *, deadline: float = 10) -> "Outing":
        """Let it loose and wait for what it returns."""

        async def main(client: Any) -> Any:
            return await crawl(client, "/", most, lambda *now: self.shown.append(now))

        return await self.run_main(main, deadline=deadline)

    async def run_main(self, main: Any, *, deadline: float = 10) -> "Outing":
        """Open the server, and check what `main(client)` does."""
        import httpx

        with self.server as url:
            # It has to look after itself: the client is patient, and opens what is asked for.
            client = httpx.AsyncClient(
                base_url=url,
                timeout=None,
                trust_env=False,
                verify=False,
                limits=httpx.Limits(max_connections=None),
            )
            async with client:
                verdict = await check(lambda: main(client), deadline=deadline, name="the crawler")
        self.verdict = _say_why(verdict) if verdict.stopped else verdict
        return self

    async def note(self, path: str) -> None:
        """Leave a mark in the log, by a connection that the crawler has nothing to do with."""
        host, _, port = self.server.url.removeprefix("http://").partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        try:
            writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            await reader.readline()
        finally:
            writer.close()
            await writer.wait_closed()

    @property
    def pages(self) -> dict[str, Any]:
        """What it has returned, as far as that is a dictionary."""
        value = self.verdict.value
        return value if isinstance(value, dict) else {}

    def visits(self, status: int) -> Counter[str]:
        """How often each path was answered like that."""
        return Counter(visit.path for visit in self.server.log if visit.status == status)

    def judge_pages(self, wanted: dict[str, str], when: str, hint: str, stronger: str) -> Check:
        """Judge if it has brought home what can be had, and each only once."""
        missing = [path for path in wanted if path not in self.pages]
        twice = [path for path, number in self.visits(200).items() if number > 1]
        some = f"{len(missing)} are missing, {missing[0]} for one" if missing else ""
        return (
            self.verdict.that(
                isinstance(self.verdict.value, dict),
                "crawl returns a dictionary with its pages",
                hint="is there a return at the end of crawl, and what does it return?",
                stronger="keep each page as `pages[path] = text`, and `return pages` at the end.",
            )
            .that(
                not missing,
                f"all {len(wanted)} pages are brought home {when}",
                hint=f"{some}. {hint}",
                stronger=f"{some}. {stronger}",
            )
            .that(
                self.pages == wanted,
                f"each path has the text of its page {when}, and nothing else is there",
                hint="which answers are pages? Only those with the status 200.",
                stronger="keep `response.text` and only if `response.status_code == 200`; "
                "what has failed five times is left out.",
            )
            .that(
                not twice,
                "each page is got once",
                hint="two pages may have a link to the same one: who remembers what is known?",
                stronger="note a link as known when you put it into the queue, not when it's done.",
            )
        )

    def judge_limit(self, most: int) -> Check:
        """Judge if it was polite."""
        return self.verdict.that(
            self.server.most_at_once <= most,
            f"there are never more than {most} requests open at once",
            hint=f"the server has seen {self.server.most_at_once} at once. What keeps the next "
            "request from starting?",
            stronger="start `most` workers that take from a queue, or `async with` a "
            "Semaphore(most) around each request.",
        )

    def pauses(self, status: int | None = None) -> list[float]:
        """How long it was from a failing visit to the next one to the same page.

        From start to start: when an answer has been sent, who has asked may have it already.
        """
        last: dict[str, Visit] = {}
        pauses = []
        for visit in self.server.log:
            before = last.get(visit.path)
            if before and before.status != 200 and status in (None, before.status):
                pauses.append(visit.start - before.start)
            last[visit.path] = visit
        return pauses


def _say_why(verdict: Check) -> Check:
    """Of a crawler that had to be stopped: a worker that failed is what the others wait for."""
    for row in verdict.recording.trace.rows:
        if row.outcome.startswith("raised "):
            said = row.outcome.removesuffix(".")
            return check(verdict.recording, name="the crawler").that(
                False,
                f"crawl comes to an end: it had to be stopped since {row.label} {said}",
                hint="whoever waits for what this task should have done waits for ever.",
                stronger="should the error be caught in the task, or is it a mistake in it? A "
                "TaskGroup would have told you of it, where create_task alone keeps it quiet.",
                task=row.label,
            )
    return verdict
