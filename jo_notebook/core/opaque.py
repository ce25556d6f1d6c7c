"""What is a handle to something rather than a value: a stream, a lock, a connection, a source of random numbers.

Using such a thing changes it, and nothing about it says what it will give next, so it is told to the user as
untracked instead of being compared.
"""

from __future__ import annotations

import io
from types import AsyncGeneratorType, CoroutineType, FrameType, GeneratorType, TracebackType

from jo_notebook.core.kinds import comes_from, members_of, mro_of, path_of

KINDS = (io.IOBase, GeneratorType, CoroutineType, AsyncGeneratorType, FrameType, TracebackType)
IN_MEMORY = (io.BytesIO, io.StringIO)
NAMES = frozenset(
    {
        *("_random.Random", "random.Random", "numpy.random._generator.Generator", "numpy.random.Generator"),
        *("numpy.random.mtrand.RandomState", "numpy.random.bit_generator.BitGenerator", "numpy.random.BitGenerator"),
        *("numpy.random.bit_generator.SeedSequence", "torch._C.Generator"),
        *("_thread.lock", "_thread.RLock", "_thread._local", "threading._RLock", "threading.Condition"),
        *("threading.Event", "threading.Semaphore", "threading.Barrier", "threading.Thread", "_queue.SimpleQueue"),
        *("queue.Queue", "multiprocessing.process.BaseProcess", "multiprocessing.queues.Queue"),
        *("multiprocessing.synchronize.SemLock", "multiprocessing.connection._ConnectionBase"),
        *("multiprocessing.pool.Pool", "multiprocessing.managers.BaseManager", "multiprocessing.managers.BaseProxy"),
        *("concurrent.futures._base.Executor", "concurrent.futures._base.Future", "subprocess.Popen"),
        *(
            "_socket.socket",
            "ssl.SSLContext",
            "_ssl._SSLContext",
            "selectors.BaseSelector",
            "select.epoll",
            "mmap.mmap",
        ),
        *(
            "asyncio.events.AbstractEventLoop",
            "_asyncio.Future",
            "asyncio.futures.Future",
            "asyncio.mixins._LoopBoundMixin",
        ),
        *("sqlite3.Connection", "sqlite3.Cursor", "sqlite3.Blob", "tempfile._TemporaryFileWrapper"),
        *("tempfile.TemporaryDirectory", "tempfile.SpooledTemporaryFile", "zipfile.ZipFile", "tarfile.TarFile"),
        *("http.client.HTTPConnection", "smtplib.SMTP", "ftplib.FTP", "imaplib.IMAP4", "socketserver.BaseServer"),
        *("_weakref.ReferenceType", "weakref.ReferenceType", "contextvars.Token", "_contextvars.Token"),
        *("sqlalchemy.engine.base.Engine", "sqlalchemy.engine.base.Connection", "sqlalchemy.orm.session.Session"),
        *("_duckdb.DuckDBPyConnection", "duckdb.DuckDBPyConnection", "duckdb.duckdb.DuckDBPyConnection"),
        *("psycopg2.extensions.connection", "psycopg2.extensions.cursor", "psycopg.Connection", "psycopg.Cursor"),
        *(
            "requests.sessions.Session",
            "httpx._client.BaseClient",
            "aiohttp.client.ClientSession",
            "h5py._hl.files.File",
        ),
        *("IPython.core.interactiveshell.InteractiveShell", "traitlets.config.configurable.SingletonConfigurable"),
        *("distributed.client.Client", "distributed.client.Future", "distributed.deploy.cluster.Cluster"),
        "jo_notebook.store.context.Context",
        *("pyspark.sql.session.SparkSession", "pyspark.context.SparkContext", "jupyter_client.client.KernelClient"),
    }
)


def is_opaque(value: object) -> bool:
    """Whether the value is such a thing, or an iterator. Told from its class alone; nothing of it runs."""
    kind = type(value)
    if comes_from(kind, *IN_MEMORY):
        return False
    bases = mro_of(kind)
    return comes_from(kind, *KINDS) or any("__next__" in members_of(base) or path_of(base) in NAMES for base in bases)
