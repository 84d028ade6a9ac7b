"""A file that HDF5 writes to and that never refuses: HDF5 crashes at the end of a process whose disk has.

After an error of the disk the file goes on in memory, so that HDF5 closes it in peace; whoever wrote asks for `error`.
"""

from __future__ import annotations

import io
from pathlib import Path
from types import TracebackType


class SafeFile(io.RawIOBase):
    """A file that is there, emptied, unbuffered, for `h5py.File(disk, "w")`. error: what the disk said first, None if
    nothing.

    Raises OSError if it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._file: io.FileIO | io.BytesIO = path.open("w+b", buffering=0)
        self.error: OSError | None = None

    def readable(self) -> bool:
        """True."""
        return True

    def writable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """The new place, bytes from the start."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """The place, bytes from the start."""
        return self._file.tell()

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        """Bytes that were read into `buffer`."""
        return self._file.readinto(buffer) or 0

    def write(self, data: memoryview, /) -> int:  # type: ignore[override]
        """Bytes that were taken: all of them, on the disk or, once that has refused, in memory."""
        begin, done, size = self._file.tell(), 0, memoryview(data).nbytes
        view = memoryview(data).cast("B")
        while done < size:
            try:
                done += self._file.write(view[done:]) or 0
            except OSError as error:
                self._go_on_in_memory(error)
                self._file.seek(begin + done)
        return size

    def truncate(self, size: int | None = None, /) -> int:
        """The new size in bytes, `size` or where the file is now."""
        end = self._file.tell() if size is None else size
        try:
            self._file.truncate(end)
        except OSError as error:
            self._go_on_in_memory(error)
            self._file.truncate(end)
        return end

    def _go_on_in_memory(self, error: OSError) -> None:
        if self.error is not None:
            raise error
        self.error, was = error, self._file
        was.seek(0)
        self._file = io.BytesIO(was.read())
        was.close()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()
        self.close()
