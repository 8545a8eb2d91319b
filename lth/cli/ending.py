"""The end of a command: all that an interpreter does at its end, but for freeing what was imported. Imports no torch.

To free torch, and the objects that a run has made, takes over a second, and nothing comes of it.
"""

import atexit
import gc
import io
import os

UNFLUSHED = 120
"""The exit status of an interpreter that cannot write what is left to be written."""


def end_quickly() -> None:
    """Lets this process, whose work is done, end with status 0 right after the last of its exit functions.

    Threads are waited for, exit functions are called in their order, and open files are flushed, as at any end. A
    profiler, a debugger or whatever else has called the command goes on until it ends by itself. Where another exit
    function is registered later, or the interpreter does not offer to call them, the process ends as any other.
    """
    process = os.getpid()
    call_all, count = (getattr(atexit, name, None) for name in ("_run_exitfuncs", "_ncallbacks"))
    if call_all is None or count is None:
        return

    def end() -> None:
        if os.getpid() != process or count() != registered:  # those that came later were called before this one
            return
        atexit.unregister(end)
        call_all()  # the last that was registered is the first to be called: the others are left
        os._exit(0 if flush_open_files() else UNFLUSHED)

    atexit.register(end)
    registered = count()


def flush_open_files() -> bool:
    """Flushes every file that is open for writing, the standard streams too; whether all of them could be written."""
    written = True
    gc.unfreeze()  # what is frozen is not among the objects
    for item in gc.get_objects():
        if issubclass(type(item), (io.TextIOBase, io.BufferedIOBase)):
            try:
                if not item.closed and item.writable():
                    item.flush()
            except ValueError:  # it is closed, or was never quite opened
                pass
            except OSError:
                written = False
    return written
