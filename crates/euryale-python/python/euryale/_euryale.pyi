from os import PathLike
from pathlib import Path
from typing import Any, Callable, Iterable, Iterator, ParamSpec, TypeVar, overload

P = ParamSpec("P")
T = TypeVar("T")

__version__: str
CHILD: str
FIRST_STEP: str

def settings() -> list[tuple[str, str | None, str, bool]]: ...
def lists() -> list[str]: ...
def processes(settings: dict[str, str]) -> int | None: ...
def reloads(settings: dict[str, str]) -> bool: ...
def is_child() -> bool: ...
def switches() -> list[str]: ...
def ctl(path: str, words: list[str]) -> tuple[bool, str]: ...
def exit(status: int) -> None: ...
def note_fork() -> None: ...

class FileWrapper:
    filelike: Any
    def __init__(self, filelike: Any, block_size: int = 32768) -> None: ...
    def __iter__(self) -> Iterator[bytes]: ...
    def __next__(self) -> bytes: ...
    def close(self) -> None: ...

class Suspend(BaseException):
    """Ends this call of the application, which is called again.

    The request is published again once its promises are resolved, or at once if it has none.
    It is not an ``Exception``, so ``except Exception`` does not catch it.
    """

class Again(BaseException):
    """Ends this call of the application because of a conflict.

    The request is published again after a pause, in which it holds no worker, as often as the
    setting ``conflict_retries`` says. After that the answer is 503. It is not an ``Exception``, so
    ``except Exception`` does not catch it.
    """

class LaneFull(Exception):
    """Too many calls wait for a thread outside the workers.

    Where it is not caught, the answer is 503, so that the client may try again.
    """

class Deferred:
    """An answer that a call outside the workers makes: see :func:`deferred`."""

def deferred(
    function: Callable[P, tuple[str, list[tuple[str, str]], bytes | Iterable[bytes]]],
    /,
    *args: P.args,
    **kwargs: P.kwargs,
) -> Deferred:
    """What an application returns for an answer that takes long to make.

    The application does not call ``start_response``. Its worker is free at once, and the function
    is called in a thread outside the workers. It returns the status, the headers, and the body. It
    has ``lane_timeout``, 60 s by default; after that the answer is 504. Middleware must not iterate over what this returns.
    """

class Stream:
    """An iterable that is read outside the workers: see :func:`stream`.

    Whatever does not know it, such as another server, reads the iterable through it.
    """

    def __iter__(self) -> Iterator[bytes]: ...
    def close(self) -> None: ...

def stream(iterable: Iterable[bytes], /) -> Stream:
    """What an application returns for an iterable that is to be read while it is sent.

    The worker is free as soon as the application has returned. The blocks are made in a thread of
    their own kind, and the answer leaves with the first one, whatever ``early_answers`` is.
    ``close()`` is called once, in one of these threads, and for ``HEAD`` in the worker. If 1,024
    streams wait for a thread, it is closed at once, and the answer is 503 or 500.

    The iterable must not use what belongs to the call: its database connection, its promises, its
    thread-local values. An exception before the first block is an error page, and any failure after
    it breaks the answer off.
    """

def after_commit(function: Callable[P, object], /, *args: P.args, **kwargs: P.kwargs) -> None:
    """Make a call once this call of the application has ended with an answer.

    It is made in a thread outside the workers, when the worker is free, and not after an exception,
    :class:`Suspend` or :class:`Again`. It exists only in memory, so it is lost if the process ends
    before. Raises :class:`LaneFull` if 1,024 calls wait, and ``RuntimeError`` in a thread that is
    not in a call of the application.
    """

class RequestBody:
    """The complete body of a request: ``environ["euryale.body"]``."""

    def __len__(self) -> int: ...
    def fileno(self) -> int:
        """A descriptor of the body's file, with a position of its own.

        It is closed with this object. Raises ``OSError`` for a small body, which is in memory.
        """

    def persist(self, path: str | PathLike[str]) -> None:
        """Give the body this name, which must not exist yet.

        A file on the same file system is linked into place, and nothing is copied. The body is on
        the disk afterwards. The file must not be changed in place.
        """

    def take_back(self, path: str | PathLike[str]) -> None:
        """Remove a name that :meth:`persist` has given, before another attempt gives it again."""

class Page:
    """The page that is the answer: ``environ["euryale.page"]``, with ``themes`` or ``tiles``.

    Its methods say what happens to the page when its worker is free. The add-on for Plone uses
    those for themes.
    """

    #: Whether the setting ``themes`` is on.
    has_themes: bool
    #: Whether the setting ``tiles`` names paths for tiles.
    has_tiles: bool

    def compose(self) -> None:
        """Put the page into the layout that it names, and its tiles into the page.

        ``data-layout`` and ``data-tile`` have their addresses, which must be below the paths of the
        setting ``tiles``. Do not call this for a page with these attributes from untrusted authors.
        """

    def theme(self, key: str, parameters: dict[str, str | float | bool | None]) -> bool:
        """Theme the page, when the worker is free, with the theme that was added with this key.

        ``False`` if the server does not have the theme: add it, and call this again. The server
        keeps the 64 themes that were used last.
        """

    def add_theme(
        self,
        key: str,
        rules: str | PathLike[str],
        *,
        prefix: str | None = None,
        doctype: str | None = None,
        folders: dict[str, str],
        texts: dict[str, str],
    ) -> None:
        """Add the theme of these Diazo rules. It is compiled again when its files change.

        ``folders`` has the folder of each ``++theme++NAME``, and ``texts`` has the files that are
        not on the disk, by their paths. A theme with errors is logged, and its pages are sent
        without it.
        """

class Promises:
    """The promises of a request: ``environ["euryale.promises"]``.

    A promise is a call that runs in a thread outside the workers. The call of the application
    that needs its result ends, and gives its worker back. Once all promises are resolved, the
    application is called again, with the same body, and gets the results.

    A promise runs at least once, even if its request fails in the end. It must not use the
    application's database connection.
    """

    def submit(
        self, key: str, function: Callable[P, object], /, *args: P.args, **kwargs: P.kwargs
    ) -> None:
        """Ask for the result of a call in the next pass.

        Does nothing if the key is resolved or was asked for before.
        """

    @overload
    def result(self, key: str, /) -> Any: ...
    @overload
    def result(
        self, key: str, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Return the result of a call, raise its exception, or suspend until it is resolved.

        Raises :class:`Suspend` in the first pass, ``TimeoutError`` after the deadline (10 s by
        default), and ``LookupError`` if the key was never submitted and there is no function.
        """

    def get(self, key: str, default: T = ...) -> Any | T:
        """Return the result, raise its exception, or return ``default`` if it is not resolved."""

    def has(self, key: str) -> bool:
        """Whether the key is resolved, to a value or an exception."""

    def is_submitted(self, key: str) -> bool:
        """Whether the key was asked for in this pass and is not resolved."""

    def is_pending(self) -> bool:
        """Whether this pass has asked for unresolved promises, so that it is not the answer."""

    def cancel(self, key: str) -> bool:
        """Drop what was asked for in this pass. ``False`` if there was nothing."""

    def clear(self, key: str) -> bool:
        """Drop a result, so that the key can be asked for again. ``False`` if there was none."""

    def serve_placeholders(self) -> None:
        """Make this pass the answer: what it has asked for so far is dropped."""

    def deadline(self, seconds: float) -> Promises:
        """An object whose promises have this deadline, counted from the end of the pass."""

    def shared(self, seconds: float, stale: float = 0.0) -> Promises:
        """An object whose promises are shared among all requests.

        A value is fetched once, and used for this number of seconds. For ``stale`` more seconds it
        is still returned at once, while another one is fetched. The key must have everything on
        which the value depends.
        """

class Order:
    START_THREAD: Order
    START_LANE_THREAD: Order
    START_STREAM_THREAD: Order
    RELOAD: Order
    ANSWER: Order
    STACKS: Order
    DUMP: Order
    ENDED: Order

class Server:
    fd: int
    addresses: list[str]
    wakeup_fd: int
    is_child: bool
    has_tls: bool
    profile: Path | None
    def __init__(
        self,
        settings: dict[str, str],
        *,
        log_level: int = 20,
        access: bool = False,
        inherits: bool = False,
        is_hurried: bool = False,
    ) -> None: ...
    def start(self, app: Any, *, owns_process: bool = True) -> None: ...
    def work(self, number: int) -> None: ...
    def work_in_lane(self, number: int) -> None: ...
    def work_in_stream_lane(self, number: int) -> None: ...
    def reload(self, settings: dict[str, str]) -> bool: ...
    def drain(self) -> None: ...
    def next_order(self) -> Order | None: ...
    def carried_out(self, order: Order) -> None: ...
    def answer(self) -> None: ...
    def overdue(self) -> list[tuple[str, str, str]]: ...
    def calls(self) -> list[tuple[str, str, str]]: ...
    def dump(self, stacks: str) -> None: ...
    def dismiss(self) -> None: ...
    def lose_thread(self) -> None: ...
    def lose_lane_thread(self) -> None: ...
    def lose_stream_thread(self) -> None: ...
    def next_line(self) -> tuple[int, str, str, bool] | None: ...
    def stop_log(self) -> None: ...
    def join(self) -> int: ...
    def exit_soon(self) -> float: ...

class Parent:
    def __init__(
        self,
        settings: dict[str, str],
        program: list[str],
        folder: str,
        *,
        log_level: int = 20,
    ) -> None: ...
    def run(self, reload: Callable[[], None]) -> int: ...
    def reread(self, settings: dict[str, str]) -> None: ...
    def roll(self) -> None: ...
    def next_line(self) -> tuple[int, str, str, bool] | None: ...
    def stop_log(self) -> None: ...
