"""A folder that a web server shows on 127.0.0.1, as simple ones do: with a page of links."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO


class WebFolder:
    """The folder, its address, and what was asked of it.

    Attributes:
        folder: what it shows.
        url: of the folder.
        fetched: names of the files that were read, in order.
        refusal: status that everything is answered with; 0: none.
        broken: names of files that are listed and cannot be read.
        trickle: seconds between two bytes of a file; 0: all of it comes at once.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.fetched: list[str] = []
        self.refusal = 0
        self.broken: set[str] = set()
        self.trickle = 0.0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, self))
        self.url = f"http://127.0.0.1:{self._server.server_port}/"

    @contextmanager
    def shown(self) -> Iterator[WebFolder]:
        """While it is served."""
        thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield self
        self._server.shutdown()
        thread.join()
        self._server.server_close()


class _Handler(SimpleHTTPRequestHandler):
    def __init__(self, web: WebFolder, *args: object) -> None:
        self._web = web
        super().__init__(*args, directory=str(web.folder))  # type: ignore[arg-type] # as it came

    def do_HEAD(self) -> None:
        if not self._is_refused():
            super().do_HEAD()

    def do_GET(self) -> None:
        if self._is_refused():
            return
        name = self.path.rpartition("/")[2]
        if name:
            self._web.fetched.append(name)
        if name in self._web.broken:
            self.send_error(500)
        else:
            super().do_GET()

    def _is_refused(self) -> bool:
        if self._web.refusal:
            self.send_error(self._web.refusal)
        return bool(self._web.refusal)

    def copyfile(self, source: IO[bytes], outputfile: IO[bytes]) -> None:  # type: ignore[override] # as it came
        with suppress(OSError):  # whoever asked is gone
            while self._web.trickle and self.path[-1] != "/" and (one := source.read(1)):
                outputfile.write(one)
                outputfile.flush()
                time.sleep(self._web.trickle)
            super().copyfile(source, outputfile)

    def log_message(self, *_: object) -> None:
        """Nothing is printed."""
