# SPDX-License-Identifier: Apache-2.0
"""The program beside others: signals, streams that are closed, full or slow, terminals, locks.

No test here measures time, but two that say so.  What happens in another process is waited for by something that can be seen: a line, a
file, the processor time that it has used."""

import fcntl
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import termios
import time
from struct import pack

import pytest
from PIL import Image

from conftest import MODEL, environment, save, texture

PATIENCE = 100  # seconds, for a machine that is busy with other things


def until(seen):
    """Waits for what another process does."""
    end = time.monotonic() + PATIENCE
    while not seen():
        assert time.monotonic() < end, "has not come about"
        time.sleep(0.02)


def start(dp, *args, **kw):
    kw = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL, **kw}
    return subprocess.Popen([dp.path, *map(str, args)], cwd=dp.folder, env=environment(dp.folder), **kw)


def processor_seconds(process):
    fields = open(f"/proc/{process.pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def busy(process, seconds=0.3):
    """Until it has computed for so long, or has ended."""
    until(lambda: process.poll() is not None or processor_seconds(process) >= seconds)


def idle(process, seconds=0.5):
    """Until it has used no processor time for so long, or has ended: it waits for something."""
    seen = [None, 0.0]

    def rests():
        used = None if process.poll() is not None else processor_seconds(process)
        if used is not None and used != seen[0]:
            seen[:] = [used, time.monotonic()]
        return used is None or time.monotonic() - seen[1] >= seconds
    until(rests)


def nothing_left(folder):
    return not [p for p in folder.rglob("*") if "dinopatch-tmp" in p.name]


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A checkpoint and pictures of which a single one takes the transformer some seconds."""
    folder = tmp_path_factory.mktemp("large")
    for i in range(3):
        save(texture(i, 1400, 1400), folder / "good" / f"{i}.png")
    return folder


signal.signal(signal.SIGHUP, signal.SIG_DFL)  # these tests may run under nohup, and what was ignored stays ignored

LONG_FIT = ["fit", "--model", MODEL, "--align", "none", "--canvas", "1568x1568", "--bank", "x.bank"]


# ------------------------------------------------------------------------------------------------------------- signals


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_it_and_leaves_what_was(dp, woven, large, number):
    shutil.copy(woven.bank, dp.folder / "x.bank")
    process = start(dp, *LONG_FIT, "--overwrite", large / "good")
    busy(process)
    process.send_signal(number)
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == -number, err
    assert out == b""
    assert (dp.folder / "x.bank").read_bytes() == woven.bank.read_bytes()
    assert nothing_left(dp.folder)


def test_a_second_signal_ends_it_at_once(dp, large):
    process = start(dp, *LONG_FIT, large / "good")
    busy(process)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=PATIENCE)
    assert process.returncode == -signal.SIGINT
    assert nothing_left(dp.folder)


@pytest.mark.parametrize("n_signals", [1, 2])
def test_a_file_that_is_half_written_goes_with_its_writer(dp, tmp_path, n_signals):
    """88 MB of a checkpoint, written into a file beside its place."""
    process = start(dp, "model", "synth", "--arch", "vits14", "--out", "x.safetensors")
    until(lambda: process.poll() is not None or not nothing_left(tmp_path))
    for _ in range(n_signals):
        process.send_signal(signal.SIGTERM)
    process.communicate(timeout=PATIENCE)
    assert nothing_left(tmp_path)
    assert process.returncode in (0, -signal.SIGTERM)
    whole = tmp_path / "x.safetensors"
    if process.returncode == 0 or whole.exists():  # the signal may come right after the file got its name
        dp.run("model", "info", whole, code=0)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP, signal.SIGTERM])
def test_what_was_ignored_stays_ignored(dp, woven, number):
    """nohup, and jobs in the background of a shell."""
    process = start(dp, "fit", "--method", "dinopatch", "--model", MODEL, "--align", "none", "--canvas", "112x112", "--bank", "x.bank", woven.good,
                    preexec_fn=lambda: signal.signal(number, signal.SIG_IGN))
    assert process.stderr.readline()  # it is at work
    process.send_signal(number)
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err
    assert (dp.folder / "x.bank").read_bytes() == woven.bank.read_bytes()


@pytest.mark.parametrize("make", ["picture", "resamples", "lock"])
def test_it_stops_wherever_it_is(dp, tmp_path, make):
    """In the decoder of a picture, in resamples, behind a lock."""
    if make == "picture":
        Image.new("L", (5000, 5000), 90).save(tmp_path / "slow.png")
        process = start(dp, "align", "--align", "none", *["slow.png"] * 100)
        busy(process)
    elif make == "resamples":
        n = 20000
        (tmp_path / "s.json").write_text('{"image_level": {"scores": [%s], "labels": [%s]}}' % (
            ",".join(str(i % 7919) for i in range(n)), ",".join(str(i % 2) for i in range(n))))
        process = start(dp, "metrics", "--json", "s.json", "--bootstrap", "10000000")
        busy(process)
    else:
        with open(tmp_path / "held.bank", "w") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            process = start(dp, "calibrate", "--bank", "held.bank")
            assert b"waiting" in process.stderr.readline()
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=PATIENCE)
            assert process.returncode == -signal.SIGTERM
            return
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=PATIENCE)
    assert process.returncode == -signal.SIGTERM


def test_a_signal_is_obeyed_soon_also_where_the_work_hears_nothing(dp, tmp_path):
    """It waits for a file that never comes, and uses no processor: a busy machine has time for it.  Promised is a second."""
    os.mkfifo(tmp_path / "s.json")
    process = start(dp, "metrics", "--json", "s.json")
    idle(process)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=10)
    assert process.returncode == -signal.SIGTERM


# ------------------------------------------------------------------------------------------------------------- streams


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&-", "<&- >&- 2>&-", ">&- 2>&-"])
def test_a_closed_stream_never_ends_up_in_a_file(dp, woven, closed):
    """The first files that are opened would get descriptors 0 to 2, and messages and results would be written into them."""
    fit = ["fit", "--method", "dinopatch", "--model", MODEL, "--align", "none", "--canvas", "112x112", "--bank", "x.bank", woven.good]
    shell = ["sh", "-c", f'exec "$0" "$@" {closed}', dp.path, *map(str, fit)]
    done = subprocess.run(shell, cwd=dp.folder, env=environment(dp.folder), timeout=PATIENCE)
    assert done.returncode == 0
    assert (dp.folder / "x.bank").read_bytes() == woven.bank.read_bytes()
    inspect = ["inspect", "--bank", woven.bank, "--out", "out", "--json", "--fail-on-anomaly", woven.new_good, woven.new_bad]
    shell = ["sh", "-c", f'exec "$0" "$@" {closed}', dp.path, *map(str, inspect)]
    done = subprocess.run(shell, cwd=dp.folder, env=environment(dp.folder), timeout=PATIENCE, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL)
    assert done.returncode == 3
    for path in (dp.folder / "out").glob("[!.]*"):
        assert path.read_bytes()[:4] in (b"\x89PNG", b"II*\0", b"MM\0*"), path


@pytest.mark.parametrize("ignored", [False, True])
@pytest.mark.parametrize("args", [["model", "list"], ["--help"], ["fit", "--help"], ["inspect", "--json"], ["inspect"], ["bank", "info", "--json"]])
def test_a_reader_that_has_gone_is_no_reason_to_complain(dp, woven, args, ignored):
    if args[0] == "inspect":
        args = [*args, "--quiet", "--bank", woven.bank, woven.good]
    if args[0] == "bank":
        args = [*args, woven.bank]
    read, write = os.pipe()
    os.close(read)
    process = start(dp, *args, stdout=write, restore_signals=not ignored)
    os.close(write)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == (4 if ignored else -signal.SIGPIPE)
    assert b"cannot write" not in err and b"ipe" not in err, err


@pytest.mark.parametrize("args", [["model", "list", "--json"], ["--version"], ["fit", "--help"], ["inspect", "--json"], ["inspect", "--csv"],
                                  ["inspect"], ["bank", "info"], ["calibrate", "--dry-run", "--json"]])
def test_a_full_disk_behind_standard_output_is_a_failure(dp, woven, args):
    if args[0] == "inspect":
        args = [*args, "--bank", woven.bank, woven.new_good]
    if args[0] == "bank":
        args = [*args, woven.bank]
    if args[0] == "calibrate":
        args = [*args, "--bank", woven.bank]
    with open("/dev/full", "w") as full:
        process = start(dp, *args, stdout=full)
        _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 4
    assert err.count(b"standard output: cannot write: No space left on device") == 1, err


def test_a_full_disk_behind_standard_error_harms_nothing(dp, woven):
    with open("/dev/full", "w") as full:
        process = start(dp, "inspect", "--json", "--bank", woven.bank, woven.new_good, stderr=full)
        out, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0 and out.count(b"\n") == 1


def test_a_slow_reader_is_waited_for(dp, woven):
    """A pipe that does not block says EAGAIN where it is full."""
    wanted = dp.run("inspect", "--json", "--no-times", "--quiet", "--bank", woven.bank, woven.good, code=0).out.encode()
    read, write = os.pipe()
    fcntl.fcntl(write, 1031, 4096)  # F_SETPIPE_SZ
    os.set_blocking(write, False)
    room = fcntl.fcntl(write, 1032)
    assert len(wanted) > room
    longest = max(len(line) for line in wanted.splitlines()) + 1
    process = start(dp, "inspect", "--json", "--no-times", "--quiet", "--bank", woven.bank, woven.good, stdout=write)
    os.close(write)

    def filled():
        waiting = bytearray(4)
        fcntl.ioctl(read, termios.FIONREAD, waiting)
        return process.poll() is not None or int.from_bytes(waiting, "little") + longest > room

    until(filled)
    idle(process)  # it has tried to write more
    got = b""
    while part := os.read(read, 65536):
        got += part
    os.close(read)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err
    assert got == wanted


# ------------------------------------------------------------------------------------------------------------ terminal


def on_terminal(dp, *args, columns=80, term="xterm", stdout=None, resize=None):
    """What a terminal of so many columns gets to see; stdout: a file for standard output instead."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, pack("HHHH", 24, columns, 0, 0))
    env = environment(dp.folder)
    env.pop("TERM", None)
    if term is not None:
        env["TERM"] = term
    process = subprocess.Popen([dp.path, *map(str, args)], cwd=dp.folder, env=env, stdin=slave, stdout=stdout or slave, stderr=slave)
    os.close(slave)
    seen = b""
    while True:
        try:
            ready, _, _ = select.select([master], [], [], PATIENCE)
            assert ready, "nothing comes any more"
            part = os.read(master, 65536)
        except OSError:  # the other side has closed
            break
        if not part:
            break
        seen += part
        if resize and b"#" in seen:
            fcntl.ioctl(master, termios.TIOCSWINSZ, pack("HHHH", 24, resize, 0, 0))
            resize = None
    os.close(master)
    return process.wait(timeout=PATIENCE), seen.decode()


def screen(text, columns):
    """The lines that stand on a terminal after all that: what each of them holds at the end."""
    lines, row, col = [[]], 0, 0
    for token in re.findall(r"\x1b\[\d*[A-Za-z]|.", text, re.S):
        if token == "\n":
            row += 1
            while len(lines) <= row:
                lines.append([])
        elif token == "\r":
            col = 0
        elif token == "\x1b[K":
            del lines[row][col:]
        elif token == "\x1b[J":
            del lines[row][col:]
            del lines[row + 1:]
        elif token.startswith("\x1b["):
            assert token.endswith("A"), repr(token)
            row -= int(token[2:-1] or 1)
        else:
            assert token >= " ", repr(token)
            if col == columns:
                row, col = row + 1, 0
                while len(lines) <= row:
                    lines.append([])
            lines[row] += [" "] * (col + 1 - len(lines[row]))
            lines[row][col] = token
            col += 1
    return ["".join(line).rstrip() for line in lines]


BAR = re.compile(r"(fit|inspect|leave one out|calibrate|survey|reduce) ")


@pytest.mark.parametrize("columns", [80, 30, 12])
def test_bar_and_results_never_share_a_line(dp, woven, columns):
    code, seen = on_terminal(dp, "inspect", "--bank", woven.bank, "--out", "out", "--no-times", woven.good, columns=columns)
    assert code == 0
    plain = dp.run("inspect", "--bank", woven.bank, "--out", "out2", "--no-times", "--quiet", woven.good, code=0).out.splitlines()
    shown = screen(seen.replace("\r\n", "\n\r"), columns)
    text = "\n".join(shown)
    for line in plain:  # each result stands there whole and begins a line
        broken = "\n".join(line[i:i + columns].rstrip() for i in range(0, len(line), columns))
        assert f"\n{broken}\n" in f"\n{text}\n", f"{line}\n--- among\n{text}"
    for line in shown:
        if BAR.match(line):
            assert len(line) < columns and ": good" not in line, line


@pytest.mark.parametrize("columns", [80, 30, 12])
def test_a_bar_never_wraps(dp, woven, columns):
    _, seen = on_terminal(dp, "fit", "--model", MODEL, "--align", "none", "--canvas", "112x112", "--bank", "x.bank", woven.good,
                          columns=columns)
    bars = [b for b in re.split(r"\r|\n|\x1b\[[KJ]", seen) if BAR.match(b)]
    assert bars
    assert all(len(b) < columns for b in bars), bars
    assert re.search(r"\[#+\.*\] ", seen) or columns < 50


def test_a_terminal_that_gets_narrower(dp, woven):
    code, seen = on_terminal(dp, "inspect", "--bank", woven.bank, "--out", "out", woven.good, columns=100, resize=40)
    assert code == 0
    assert seen.count(": good") + seen.count(": anomalous") == 12


@pytest.mark.parametrize("term", ["dumb", "", None])
def test_a_dumb_terminal_gets_no_escapes(dp, woven, term):
    code, seen = on_terminal(dp, "inspect", "--bank", woven.bank, "--out", "out", woven.good, term=term)
    assert code == 0
    assert "\x1b" not in seen
    assert "\r" not in seen.replace("\r\n", "\n")
    for line in seen.splitlines():
        assert not (BAR.match(line) and "score" in line), line


def test_a_message_takes_the_bar_away(dp, woven, copy):
    """A picture that cannot be read, in the middle of the others."""
    folder = copy(woven.good, "pictures")
    (folder / "005.png").write_bytes(b"no picture")
    code, seen = on_terminal(dp, "inspect", "--bank", woven.bank, "--out", "out", folder)
    assert code == 1
    shown = screen(seen.replace("\r\n", "\n\r"), 80)
    assert any(line.startswith("dinopatch inspect: ") for line in shown), shown
    for line in shown:
        assert not (BAR.match(line) and "dinopatch" in line[1:]), line


def test_a_file_gets_no_escapes(dp, woven):
    run = dp.run("inspect", "--bank", woven.bank, "--out", "out", woven.good, code=0)
    assert "\x1b" not in run.err and "\r" not in run.err and "\x1b" not in run.out


def test_the_bar_goes_to_the_terminal_and_results_to_the_file(dp, woven):
    with open(dp.folder / "results", "w") as results:
        _, seen = on_terminal(dp, "inspect", "--json", "--bank", woven.bank, woven.good, stdout=results)
    assert "{" not in seen
    assert (dp.folder / "results").read_text().count("\n") >= 12


# --------------------------------------------------------------------------------------------------------------- locks


def test_who_holds_a_bank_is_said_and_a_quiet_wait_ends(dp, woven, copy):
    bank = copy(woven.bank)
    with open(bank) as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        for quiet in (["--quiet"], []):
            run = dp.run("calibrate", "--bank", bank, *quiet, "--wait", "0", code=4)
            assert f"{bank}: " in run.err and f"process {os.getpid()}" in run.err and "0 s of waiting" in run.err
            assert "waiting for it" not in run.err
        process = start(dp, "calibrate", "--bank", bank)
        assert f"process {os.getpid()}" in process.stderr.readline().decode()
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err


def test_a_quiet_wait_without_a_limit_ends_too(dp, woven, copy):
    """Nobody is told that it waits.  It takes the minute that --help names, and no processor."""
    bank = copy(woven.bank)
    with open(bank) as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        process = start(dp, "calibrate", "--quiet", "--bank", bank)
        _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 4 and b"60 s of waiting" in err
    assert "with --quiet 60" in " ".join(dp.run("calibrate", "--help=all", code=0).out.split())


def test_readers_wait_for_nobody(dp, woven, copy):
    bank = copy(woven.bank)
    with open(bank) as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        dp.inspect(bank, woven.new_good)
        dp.run("bank", "info", bank, code=0)
