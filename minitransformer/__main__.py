"""The command line: `minitransformer`, the same as `python -m minitransformer`."""

import os
import signal
import sys

# The models of the tour are small, and a second thread costs them more than it gives. NumPy reads this when it is
# first imported, which is why nothing above this line imports it.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

INTERRUPTED = 130
CLOSED_PIPE = 141
NO_OUTPUT = 74


def main(argv: list[str] | tuple[str, ...] | None = None) -> int:
    """Run one command; return its exit code.

    0: all is well; 1: a check failed; 2: bad input; 74: no room for the output; 130: Ctrl-C; 141: the pipe was closed.
    """
    import_commands()
    from minitransformer.commands.common import bad_input

    closed = sys.stdout is None
    open_closed_streams()
    try:
        for stream in (sys.stdout, sys.stderr):
            stream.reconfigure(errors="replace")  # a console that is not UTF-8 shows `?` for what it cannot encode
        code = run(argv)
        sys.stdout.flush()
        if closed and code == 0:
            print("minitransformer: error: output: standard output is closed, expected an open one", file=sys.stderr)
            return NO_OUTPUT
        return code
    except MemoryError as error:
        return bad_input(error)
    except BrokenPipeError:  # the reader is gone, as in `minitransformer index | head`: nothing more is to be written
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CLOSED_PIPE
    except OSError as error:  # what is left: the output cannot be written
        try:
            print(f"minitransformer: error: {error.filename or 'output'}: {error.strerror or error}", file=sys.stderr)
        except OSError:  # nor can this: the exit code alone says so
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NO_OUTPUT
    except KeyboardInterrupt:
        print("minitransformer: interrupted", file=sys.stderr)
        return INTERRUPTED


def run(argv: list[str] | tuple[str, ...] | None) -> int:
    """Run one command; return its exit code, also of `--help`, `--version` and arguments that argparse refuses."""
    import numpy as np

    from minitransformer.commands.parsing import parse

    try:
        arguments = parse(argv)
    except SystemExit as finished:
        return finished.code
    with np.errstate(all="ignore"):  # NaN and infinity are refused in one line where they matter, without warnings
        return arguments.run(arguments)


def open_closed_streams() -> None:
    """Where the parent process closed standard output or error (`>&-`), open one that leads nowhere.

    Python has None for it, and the next file to be opened would take its place: so all three places are filled first.
    """
    for place in range(3):
        try:
            os.fstat(place)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest place that is free
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115


def import_commands() -> None:
    """Import all commands, and NumPy, which takes 0.4 s. Meanwhile Ctrl-C ends the process at once, with one line.

    A KeyboardInterrupt during an import would print many lines, some of them from NumPy's C code.
    """

    def leave(*_: object) -> None:
        try:
            os.write(2, b"minitransformer: interrupted\n")
        finally:
            os._exit(INTERRUPTED)

    usual = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # neither ignored nor replaced
    try:
        if usual:
            signal.signal(signal.SIGINT, leave)
    except ValueError:  # only the main thread may set signal handlers
        usual = False
    import minitransformer.commands.parsing  # noqa: F401

    if usual:
        signal.signal(signal.SIGINT, signal.default_int_handler)


if __name__ == "__main__":
    sys.exit(main())
