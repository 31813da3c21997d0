"""Answers to the exercises of lesson 12."""

ANSWERS = {
    "the connection": """
### nobody catches the TimeoutError | It raised TimeoutError
-    except TimeoutError:
-        return None

### closed only when all went well | after 60 s: 0; closed: 0
-            return await connection.read()
+            text = await connection.read()
-    finally:
-        await connection.close()
+    await connection.close()
+    return text

### the alarm stands around close() too | It returned None. Only the reading
-            return await connection.read()
+            try:
+                return await connection.read()
+            finally:
+                await connection.close()
-    finally:
-        await connection.close()

### closed twice | after 60 s: 2; closed: 2
-    except TimeoutError:
+    except TimeoutError:
+        await connection.close()

### the reading is left alone | its read() went on after
-    connection = connect(page)
+    connection = connect(page)
+    reading = asyncio.create_task(connection.read())
-            return await connection.read()
+            return await asyncio.shield(reading)

### nothing returned | return
-            return await connection.read()
+            await connection.read()
-        return None
+        pass

### right
async def read_page(connect, page):
    connection = connect(page)
    try:
        return await asyncio.wait_for(connection.read(), timeout=5)
    except asyncio.TimeoutError:
        return None
    finally:
        await connection.close()

### no timeout | It returned 'rain'
-        return await asyncio.wait_for(connection.read(), timeout=5)
-    except asyncio.TimeoutError:
-        return None
+        return await connection.read()

### a cancellation swallowed | was cancelled when it is cancelled
-        return await asyncio.wait_for(connection.read(), timeout=5)
-    except asyncio.TimeoutError:
+        return await asyncio.wait_for(connection.read(), 5)
+    except (TimeoutError, asyncio.CancelledError):

### every error swallowed | raised ConnectionError when
-        return await asyncio.wait_for(connection.read(), timeout=5)
-    except asyncio.TimeoutError:
+        return await asyncio.wait_for(connection.read(), 5)
+    except Exception:

### right
async def read_page(connect, page):
    connection = connect(page)
    reading = asyncio.create_task(connection.read())
    try:
        done, _ = await asyncio.wait([reading], timeout=5)
        return reading.result() if done else None
    finally:
        if not reading.done():
            reading.cancel()
            await asyncio.wait([reading])
        await connection.close()
""",
    "ask again": """
### a bare except | 15 s after cancel() it returned 'enough'
-        except Exception:
+        except:

### only some errors | It raised ConnectionError after 5 s
-        except Exception:
+        except ValueError:

### a cancellation taken for an answer | 0 s after cancel() it returned None
-            return await ask()
+            return await ask()
+        except asyncio.CancelledError:
+            return None

### it stops later | 2 s after cancel() it was cancelled
-            return await ask()
+            return await ask()
+        except asyncio.CancelledError:
+            await asyncio.sleep(2)
+            raise

### no pause | 14 seconds
-            await asyncio.sleep(1)
+            pass

### a pause that blocks | held the loop
-            await asyncio.sleep(1)
+            time.sleep(1)

### a question that is shielded | its ask() went on
-            return await ask()
+            return await asyncio.shield(ask())

### three tries | calls of ask(): 3
-    while True:
+    for _ in range(3):

### no brackets, and a mistake that is caught | calls of ask(): 0
-            return await ask()
+            return await ask

### right
async def ask_until_answered(ask, pause=1):
    try:
        return await ask()
    except Exception as error:
        print("once more after", error)
        await asyncio.sleep(pause)
    return await ask_until_answered(ask, pause)

### right
async def ask_until_answered(ask):
    while True:
        (answer,) = await asyncio.gather(ask(), return_exceptions=True)
        if not isinstance(answer, Exception):
            return answer
        await asyncio.sleep(1)

### right
from contextlib import suppress


async def ask_until_answered(ask):
    while True:
        with suppress(Exception):
            return await ask()
        await asyncio.sleep(1)
""",
}
