"""Cells that look at what goes on in a kernel before a lesson and after it: nothing may be left."""

LOOK = '''
def _look():
    """Return what is going on, each with words that tell what it is."""
    import asyncio, gc, os, pathlib, tempfile, threading
    import psutil

    gc.collect()
    found = {}

    def where(task):
        coroutine = task.get_coro()
        code = getattr(coroutine, "cr_code", None) or getattr(coroutine, "gi_code", None)
        return code.co_filename if code else ""

    machinery = ("ipykernel", "IPython", "tornado", "zmq", "jupyter_client")
    current = asyncio.current_task()
    for task in asyncio.all_tasks():
        # A cell's file is called ipykernel_1234/....py.
        parts = pathlib.PurePath(where(task)).parts
        if task is not current and not set(parts) & set(machinery):
            found["task", id(task)] = f"the task {task.get_name()}: {task.get_coro()}"
    loop = asyncio.get_running_loop()
    executor = getattr(loop, "_default_executor", None)
    # The loop keeps its threads for the next to_thread(); idle they do no harm.
    kept = executor._threads if executor else set()
    if executor and executor._work_queue.qsize():
        found["job", 0] = f"{executor._work_queue.qsize()} jobs wait for a thread"
    if executor and executor._idle_semaphore._value < len(kept):
        found["job", 1] = "a thread of the loop's executor is at work"
    for thread in threading.enumerate():
        # pyzmq starts one when it sends the first figure, and Dask keeps one for all clusters.
        is_theirs = type(thread).__module__.partition(".")[0] in machinery
        if thread not in kept and not is_theirs and not thread.name.startswith("Dask-Offload"):
            found["thread", thread.ident] = f"the thread {thread.name}"
    me = psutil.Process()
    for child in me.children(recursive=True):
        try:
            line = " ".join(child.cmdline()) or child.status()
        except psutil.Error:
            continue
        # What multiprocessing starts once it keeps until Python ends.
        if "resource_tracker" not in line and "forkserver" not in line:
            found["process", child.pid] = f"the process {child.pid}: {line[:100]}"
    net = getattr(me, "net_connections", None) or me.connections
    for one in net(kind="inet"):
        address = [f"{end.ip}:{end.port}" for end in (one.laddr, one.raddr) if end]
        found["socket", one.fd, *address] = f"a socket, {one.status}: {' to '.join(address)}"
    for file in me.open_files():
        if file.path.startswith(tempfile.gettempdir()):
            found["open", file.path] = f"an open file, {file.path}"
    for folder in (tempfile.gettempdir(), os.getcwd()):
        for path in pathlib.Path(folder).rglob("*"):
            found["file", str(path)] = f"the file {path}"
    return found
'''
"""A cell that defines how to look."""

BEFORE = f"{LOOK}\n_before = _look()"

AFTER = """
import asyncio
for _ in range({patience}):  # what is being closed may take a moment
    _left = {{key: words for key, words in _look().items() if key not in _before}}
    if not _left:
        break
    await asyncio.sleep(0.1)
print("\\n".join(_left.values()))
"""
