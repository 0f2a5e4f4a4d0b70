"""
harness.py - the real server, started and watched; tests that speak TAP.

A test is a function marked with @test(name, ids...). It starts servers with "with Server(...) as
s:". Leaving that block stops the server and fails the test on anything that went wrong unasked: an
alert in the log, a line of a sanitizer, a process or a descriptor that is left over, a status.

  SELVAGE_BUILDDIR, SELVAGE_SRCDIR   where the program and its sources are; set by "make check"
  SELVAGE_LIVE_SCALE                 multiplies request counts (1)
  SELVAGE_LIVE_SLOW                  multiplies time limits (1), for instrumented builds
  SELVAGE_LIVE_WRAP                  words put before the program, to run it under another one:
                                     valgrind -q --leak-check=full --show-leak-kinds=definite
                                     --suppressions=.../tests/lib/valgrind.supp
  SELVAGE_LIVE_ALL                   tests that take much longer with all they have: all of it
  SELVAGE_LIVE_ONLY                  a regular expression: the other tests are left out of the plan
  SELVAGE_LIVE_KEEP                  the directories of the servers are not removed
"""
import collections
import ctypes
import os
import random
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback

from client import Client

HERE = os.path.dirname(os.path.abspath(__file__))
SRCDIR = os.environ.get('SELVAGE_SRCDIR') or os.path.dirname(os.path.dirname(HERE))
BUILDDIR = os.environ.get('SELVAGE_BUILDDIR') or os.path.join(SRCDIR, 'build')
SCALE = float(os.environ.get('SELVAGE_LIVE_SCALE') or 1)
SLOW = float(os.environ.get('SELVAGE_LIVE_SLOW') or 1)
WRAP = shlex.split(os.environ.get('SELVAGE_LIVE_WRAP') or '')
PROGRAM = os.path.join(BUILDDIR, 'selvage')
PREBUILT = os.path.join(BUILDDIR, 'modules', 'prebuilt', '.libs', 'prebuilt.so')
MIME = os.path.join(SRCDIR, 'conf', 'mime.types')
AS_ROOT = os.geteuid() == 0

PR_SET_CHILD_SUBREAPER = 36


class Failed(AssertionError):
    """What a test found."""


def check(condition, text='', *args):
    """Fails the test unless the condition holds."""
    if not condition:
        raise Failed(text % args if args else str(text))


def same(got, wanted, what):
    """Fails the test unless both are equal."""
    if got != wanted:
        raise Failed('%s: got %s, wanted %s' % (what, shorten(got), shorten(wanted)))


def shorten(value):
    """A value as text, not too long."""
    text = repr(value)
    return text if len(text) < 600 else text[:400] + ' ... ' + text[-150:]


def wait_for(condition, seconds, what):
    """Waits until the condition is true; its value."""
    end = time.monotonic() + seconds * SLOW
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failed('waited %g s for %s' % (seconds * SLOW, what))
        time.sleep(0.02)


def scaled(count):
    """A number of requests."""
    return max(1, int(count * SCALE))


# ---- Processes -----------------------------------------------------------------------------------

def read_text(path):
    """A file's text; empty where it cannot be read."""
    try:
        with open(path, 'rb') as f:
            return f.read().decode('utf-8', 'replace')
    except OSError:
        return ''


def parents():
    """pid -> (parent, state) of all processes."""
    found = {}
    for name in os.listdir('/proc'):
        if name.isdigit():
            text = read_text('/proc/%s/stat' % name)
            rest = text[text.rfind(')') + 2:].split()
            if len(rest) > 2:
                found[int(name)] = (int(rest[1]), rest[0])
    return found


def descendants(root):
    """All living processes below one."""
    table, known, found = parents(), {root}, []
    grown = True
    while grown:
        grown = False
        for pid, (parent, state) in table.items():
            if parent in known and pid not in known:
                known.add(pid)
                if state != 'Z':
                    found.append(pid)
                grown = True
    return found


def title(pid):
    """A process's command line."""
    return read_text('/proc/%d/cmdline' % pid).replace('\0', ' ').strip()


def alive(pid):
    """Does it live, and is it not a zombie?"""
    text = read_text('/proc/%d/stat' % pid)
    return bool(text) and text[text.rfind(')') + 2:][:1] not in ('Z', 'X', '')


def rss(pid):
    """Memory of a process that is its own, in KiB: what files and the shared image take is not."""
    match = re.search(r'^RssAnon:\s+(\d+) kB', read_text('/proc/%d/status' % pid), re.M)
    return int(match.group(1)) if match else 0


def memory_bound(before, after, room):
    """Fails the test where memory (KiB) has grown by more than room and a tenth of what it was."""
    if instrumented():
        # What is freed is kept for a while, and all of it is larger.
        room = room * 4 + 32768
    if after >= before + before // 10 + room:
        raise Failed('memory grows: %d KiB, then %d KiB' % (before, after))


_instrumented = []


def instrumented():
    """Does the program keep what it frees, to find mistakes?"""
    if not _instrumented:
        with open(PROGRAM, 'rb') as f:
            _instrumented.append(bool(WRAP) or b'__asan_init' in f.read())
    return _instrumented[0]


def cpu(pid):
    """Seconds of processor time used so far."""
    text = read_text('/proc/%d/stat' % pid)
    rest = text[text.rfind(')') + 2:].split()
    return (int(rest[11]) + int(rest[12])) / os.sysconf('SC_CLK_TCK') if len(rest) > 12 else 0.0


def descriptors(pid):
    """What a process has open: kind -> count. The numbers of sockets and pipes are left out."""
    found = collections.Counter()
    try:
        names = os.listdir('/proc/%d/fd' % pid)
    except OSError:
        return found
    for name in names:
        try:
            found[re.sub(r':\[\d+\]', '', os.readlink('/proc/%d/fd/%s' % (pid, name)))] += 1
        except OSError:
            pass
    return found


def free_port():
    """A port that is free on both families, outside of what the kernel gives to clients."""
    with open('/proc/sys/net/ipv4/ip_local_port_range') as f:
        low = int(f.read().split()[0])
    for _ in range(200):
        port = random.SystemRandom().randrange(10000, max(low, 10100))
        try:
            for family, host in ((socket.AF_INET, '127.0.0.1'), (socket.AF_INET6, '::1')):
                with socket.socket(family) as s:
                    s.bind((host, port))
            return port
        except OSError:
            continue
    raise Failed('no free port')


def run(argv, seconds=60, **more):
    """Runs a program to its end. The outcome has returncode, stdout and stderr (texts)."""
    more.setdefault('stdin', subprocess.DEVNULL)
    return subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=seconds * SLOW, **more)


# ---- The server ----------------------------------------------------------------------------------

MAIN = '''
daemon off;
worker_processes @workers@;
pid logs/selvage.pid;
error_log logs/error.log info;
@user@
'''

BAD_LEVELS = re.compile(r'\[(alert|crit|emerg)\]')
SANITIZERS = re.compile(r'AddressSanitizer|LeakSanitizer|UndefinedBehavior|runtime error:'
                        r'|last words of|==\d+== (Invalid|Conditional|Use of uninit|Syscall param)'
                        r'|definitely lost(: [1-9]| in loss)|ERROR SUMMARY: [1-9]')
BAD_ENDS = re.compile(r'exited on signal|exited with (fatal )?code [1-9]')


class Server:
    """
    One server in a directory of its own. conf is a text in which @word@ stands for: prefix, port,
    port2, port3, workers, user, main (the usual first lines), module, mime, and what "words" has.
    expect: regular expressions for lines of the log that would otherwise fail the test.
    """

    def __init__(self, conf, workers=2, expect=(), words=None, check_descriptors=True, env=None,
                 patience=20, daemon=False, program=PROGRAM):
        self.workers_wanted = workers
        self.expect = [re.compile(e) for e in expect]
        self.check_descriptors = check_descriptors
        self.patience = patience
        self.daemon = daemon
        self.program = program
        self.prefix = tempfile.mkdtemp(prefix='selvage-live-')
        os.chmod(self.prefix, 0o755)
        for name in ('logs', 'conf', 'www'):
            os.mkdir(os.path.join(self.prefix, name))
        self.ports = [free_port() for _ in range(3)]
        self.port = self.ports[0]
        self.words = {
            'prefix': self.prefix, 'workers': str(workers), 'module': PREBUILT, 'mime': MIME,
            'port': str(self.ports[0]), 'port2': str(self.ports[1]), 'port3': str(self.ports[2]),
            'user': 'user nobody nogroup;' if AS_ROOT else '', 'program': PROGRAM,
        }
        self.words['main'] = self.fill(MAIN)
        self.words.update(words or {})
        self.conf_path = os.path.join(self.prefix, 'conf', 'selvage.conf')
        self.error_log = os.path.join(self.prefix, 'logs', 'error.log')
        self.stderr_path = os.path.join(self.prefix, 'stderr')
        self.pid_path = os.path.join(self.prefix, 'logs', 'selvage.pid')
        self.env = dict(os.environ, **(env or {}))
        self.env.setdefault('ASAN_OPTIONS', 'detect_leaks=1:quarantine_size_mb=8')
        self.env.setdefault('UBSAN_OPTIONS', 'print_stacktrace=1')
        self.process = None
        self.pid = 0
        self.status_wanted = 0
        self.baseline = {}
        self.clients = []
        self.ended = False
        self.configure(conf)

    # -- Files

    def fill(self, text):
        """Puts the words into a text."""
        return re.sub(r'@(\w+)@', lambda m: self.words.get(m.group(1), m.group(0)), text)

    def configure(self, conf):
        """Writes the configuration; a reload is another matter."""
        with open(self.conf_path, 'w') as f:
            f.write(self.fill(conf))

    def path(self, name):
        """A path below the prefix."""
        return os.path.join(self.prefix, name)

    def write(self, name, data):
        """Writes a file below the prefix, all can read it."""
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'wb') as f:
            f.write(data if isinstance(data, bytes) else data.encode())
        return path

    def log(self, name='logs/error.log'):
        """A log's text."""
        return read_text(self.path(name))

    def wait_log(self, pattern, seconds=10, name='logs/error.log'):
        """Waits for a line; the match."""
        return wait_for(lambda: re.search(pattern, self.log(name), re.M), seconds,
                        'a line %r in %s' % (pattern, name))

    # -- Life

    def argv(self, *more):
        """The command line that starts it."""
        return WRAP + [self.program, '-p', self.prefix, '-c', 'conf/selvage.conf', '-e',
                       'logs/error.log'] + list(more)

    def command(self, *more, seconds=70):
        """Runs the program beside the server: -s, -t."""
        return run([PROGRAM, '-p', self.prefix, '-c', 'conf/selvage.conf', '-e',
                    'logs/error.log'] + list(more), seconds, env=self.env)

    def start(self):
        """Starts it and waits until all workers serve."""
        check(os.access(self.program, os.X_OK), 'there is no program at %s', self.program)
        self.log_begin = len(self.log())
        self.ended = False
        with open(self.stderr_path, 'ab') as err:
            self.process = subprocess.Popen(self.argv(), stdin=subprocess.DEVNULL, stdout=err,
                                            stderr=err, env=self.env, cwd=self.prefix,
                                            start_new_session=True)
        self.pid = self.process.pid
        if self.daemon:
            self.follow_daemon()
        wait_for(self.ready, self.patience, 'the server to serve; log:\n' + self.log()[-3000:])
        if self.watches():
            self.wait_log(r'watching \d+ directories')
        self.rebase()
        return self

    def watches(self):
        """Will there be a process that watches the sources of images?"""
        text = read_text(self.conf_path)
        return re.search(r'\bprebuilt (on|only);', text) and 'prebuilt_watch off' not in text

    def follow_daemon(self):
        """What was started goes away; the master is another process."""
        try:
            status = self.process.wait(self.patience * SLOW)
        except subprocess.TimeoutExpired:
            raise Failed('the command that starts the server does not return') from None
        if status:
            self.ready()
        self.process = None
        self.pid = self.file_pid()

    def file_pid(self, suffix=''):
        """The number in the pid file; 0: there is none."""
        text = read_text(self.pid_path + suffix)
        return int(text) if text.strip().isdigit() else 0

    def ready(self):
        """Do all workers of the first generation serve?"""
        if self.process and self.process.poll() is not None:
            raise Failed('the server ended with status %s:\n%s%s' % (
                self.process.returncode, read_text(self.stderr_path)[-3000:], self.log()[-3000:]))
        return re.search(r'generation 1 serves', self.log()[self.log_begin:])

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.kill()
            self.clean()
            raise

    def __exit__(self, kind, value, trace):
        try:
            if kind is None:
                self.stop()
            else:
                # Another failure is the news; but what the log says belongs to it.
                if isinstance(value, Failed):
                    value.args = (str(value) + self.evidence(),)
                self.kill()
        finally:
            self.kill()
            self.clean()

    def evidence(self):
        """What the log says that nobody expected."""
        lines = self.complaints()
        return '\nlog:\n' + '\n'.join(lines[:20]) if lines else ''

    def kill(self):
        """Ends everything that this server has started."""
        for c in self.clients:
            c.close()
        if not self.pid:
            return
        for sig, pause in ((signal.SIGTERM, 3), (signal.SIGKILL, 3)):
            left = self.family()
            if not left:
                break
            for pid in left:
                try:
                    os.kill(pid, sig)
                except OSError:
                    pass
            end = time.monotonic() + pause
            while time.monotonic() < end and self.family():
                time.sleep(0.02)
        if self.process and self.process.poll() is None:
            self.process.wait(5)

    def family(self):
        """All living processes that came from this server, whoever their parent is now."""
        reap()
        prefix = self.prefix + '/'
        found = []
        for pid in descendants(os.getpid()):
            try:
                if os.getsid(pid) == self.pid or self.names_me(pid, prefix):
                    found.append(pid)
            except OSError:
                pass
        return found

    def names_me(self, pid, prefix):
        """Has a process a file of this server open? So it is known even in a session of its own."""
        try:
            exe = os.readlink('/proc/%d/exe' % pid)
        except OSError:
            return False
        if os.path.basename(exe).split(' ')[0] != os.path.basename(PROGRAM) and not WRAP:
            return False
        return any(kind.startswith(prefix) for kind in descriptors(pid))

    def clean(self):
        """Removes its directory."""
        if not os.environ.get('SELVAGE_LIVE_KEEP'):
            shutil.rmtree(self.prefix, ignore_errors=True)

    def stop(self, sig=signal.SIGQUIT, seconds=20):
        """Stops it and looks for what it has left behind."""
        wrong = []
        for c in self.clients:
            c.close()
        if not self.ended:
            if self.check_descriptors:
                wrong += self.descriptor_leaks()
            os.kill(self.pid, sig)
            try:
                self.wait_exit(seconds)
            except Failed as e:
                wrong.append(str(e))
        if self.process and self.pid == self.process.pid and self.process.returncode is not None:
            if self.process.returncode != self.status_wanted:
                wrong.append('the master ended with status %d' % self.process.returncode)
        try:
            wait_for(lambda: not self.family(), 5, 'the last process to end')
        except Failed:
            wrong.append('processes are left over: ' + ', '.join(
                '%d (%s)' % (p, title(p)) for p in self.family()))
        for name in os.listdir(self.path('logs')):
            if name.startswith('selvage.pid'):
                wrong.append('logs/%s is left over' % name)
        wrong += self.complaints()
        if wrong:
            raise Failed('\n'.join(wrong[:40]))

    def wait_exit(self, seconds=20):
        """Waits until the master has ended."""
        try:
            if self.process and self.pid == self.process.pid:
                self.process.wait(seconds * SLOW)
            else:
                wait_for(lambda: reap() or not alive(self.pid), seconds, 'master %d' % self.pid)
        except subprocess.TimeoutExpired:
            raise Failed('the master did not end within %g s; processes: %s' % (
                seconds * SLOW, [title(p) for p in self.family()])) from None
        self.ended = True

    def complaints(self):
        """Lines of the log and of standard error that nobody expected."""
        found = []
        for path in sorted(set(self.log_paths())):
            for line in read_text(path).split('\n'):
                if (BAD_LEVELS.search(line) or SANITIZERS.search(line) or BAD_ENDS.search(line)) \
                        and not any(e.search(line) for e in self.expect):
                    found.append('%s: %s' % (os.path.basename(path), line))
        for name in os.listdir(self.prefix):
            if name == 'core' or name.startswith('core.'):
                found.append('a core file: ' + name)
        return found

    def log_paths(self):
        """Where lines of the server may be."""
        logs = self.path('logs')
        return [self.stderr_path] + [os.path.join(logs, n) for n in os.listdir(logs)
                                     if 'error' in n and os.path.isfile(os.path.join(logs, n))]

    # -- Looking at it

    def workers(self, generation=None, leaving=False):
        """The ids of this master's workers that serve, or that are shutting down."""
        found = []
        for pid, (parent, state) in parents().items():
            if parent != self.pid or state == 'Z':
                continue
            text = title(pid)
            if WRAP:
                found.append(pid)
                continue
            match = re.match(r'selvage: worker process (is shutting down )?\(gen (\d+)\)', text)
            if match and bool(match.group(1)) == leaving \
                    and generation in (None, int(match.group(2))):
                found.append(pid)
        return found

    def builds(self):
        """The process that builds images, while there is one."""
        return [pid for pid, (parent, _) in parents().items()
                if parent == self.pid and title(pid).startswith('selvage: builder')]

    def at_rest(self):
        """Waits until old workers have ended and been reaped; what the master has open then."""
        def resting():
            children = [state for parent, state in parents().values() if parent == self.pid]
            return 'Z' not in children and not self.workers(leaving=True)

        def settled():
            first = resting() and descriptors(self.pid)
            time.sleep(0.05)
            return resting() and first == descriptors(self.pid) and first
        return wait_for(settled, 20, 'old workers to end and descriptors to be the same twice')

    def rebase(self):
        """Ends all clients; what is open then, in the master and the workers, is right."""
        for c in self.clients:
            c.close()

        def settled():
            first = self.all_descriptors()
            time.sleep(0.05)
            return first == self.all_descriptors() and not self.builds() and first
        self.baseline = wait_for(settled, 10, 'descriptors to be the same twice')

    def all_descriptors(self):
        """Of the master and its workers: pid -> kind -> count."""
        return {pid: descriptors(pid) for pid in [self.pid] + self.workers()}

    def descriptor_leaks(self):
        """What has more descriptors than at the last rebase()."""
        def left():
            now = self.all_descriptors()
            more = {p: now[p] - old for p, old in self.baseline.items() if p in now}
            # How many earlier images the master keeps is bounded, and has a test of its own.
            if self.builds():
                return more
            more.get(self.pid, {}).pop('/memfd:selvage-image (deleted)', None)
            return {p: kinds for p, kinds in more.items() if kinds}
        end = time.monotonic() + 15 * SLOW
        while left() and time.monotonic() < end:
            time.sleep(0.05)
        return ['descriptors of %s: %s more' % (title(p), dict(more)) for p, more in left().items()]

    # -- Talking to it

    def connect(self, how='v4', port=None, **more):
        """A connection: v4, v6, or the path of a unix socket."""
        address = {'v4': ('127.0.0.1', port or self.port), 'v6': ('::1', port or self.port)}
        c = Client(address.get(how, how), timeout=20 * SLOW, **more)
        self.clients.append(c)
        return c

    def get(self, path, *headers, method='GET', how='v4', port=None, host='localhost', **more):
        """One request on a connection of its own, which is closed in order."""
        c = self.connect(how, port)
        r = c.request(method, path, *headers, 'Connection: close', host=host, **more)
        c.expect_end()
        c.close()
        self.clients.remove(c)
        return r

    def reload(self, seconds=70):
        """-s reload: status and standard error."""
        done = self.command('-s', 'reload', seconds=seconds)
        return done.returncode, done.stderr

    def wait_drain(self, generation, seconds=10):
        """Waits until all workers of a generation know that they are to finish, or have ended."""
        wait_for(lambda: not self.workers(generation), seconds, 'old workers to drain')

    def wait_workers(self, generation, count=None, seconds=15):
        """Waits until all workers of a generation serve and no other is left."""
        wanted = self.workers_wanted if count is None else count
        wait_for(lambda: len(self.workers(generation)) == wanted
                 and len(self.workers()) == wanted and not self.workers(leaving=True),
                 seconds, '%d workers of generation %d' % (wanted, generation))


def reap():
    """Takes note of orphans that have ended; children that subprocess knows are left to it."""
    known = {p.pid for p in list(subprocess._active)} | _popen_pids()
    for pid, (parent, state) in parents().items():
        if parent == os.getpid() and state == 'Z' and pid not in known:
            try:
                os.waitpid(pid, os.WNOHANG)
            except OSError:
                pass


_popens = []
_popen_init = subprocess.Popen.__init__


def _remember(self, *args, **kwargs):
    _popen_init(self, *args, **kwargs)
    _popens.append(self)


subprocess.Popen.__init__ = _remember


def _popen_pids():
    return {p.pid for p in _popens if p.returncode is None}


# ---- Tests ---------------------------------------------------------------------------------------

_tests = []


def test(name, *ids, seconds=120):
    """Marks a test. ids: the promises that it proves."""
    def mark(function):
        _tests.append((name, ids, seconds, function))
        return function
    return mark


def _too_long(signum, frame):
    raise Failed('the test took too long')


def _told_to_end(signum, frame):
    # Servers are ended on the way out.
    raise KeyboardInterrupt


def say(text):
    """A line for people."""
    for line in str(text).split('\n'):
        print('# ' + line, flush=True)


def main():
    """Runs the tests; TAP."""
    # Processes that lose their parent become ours, so that none is overlooked.
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    only = sys.argv[1] if len(sys.argv) > 1 else os.environ.get('SELVAGE_LIVE_ONLY') or ''
    chosen = [t for t in _tests if re.search(only, t[0])]
    failed = 0
    print('1..%d' % len(chosen), flush=True)
    signal.signal(signal.SIGALRM, _too_long)
    for sig in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(sig, _told_to_end)
    for number, (name, ids, seconds, function) in enumerate(chosen, 1):
        began = time.monotonic()
        signal.alarm(int(seconds * SLOW * max(1, SCALE)))
        try:
            function()
            good, why = True, ''
        except Failed as e:
            good, why = False, str(e) + '\nat ' + ' < '.join(
                '%s:%d' % (os.path.basename(f.filename), f.lineno)
                for f in reversed(traceback.extract_tb(e.__traceback__)) if HERE in f.filename)
        except Exception:
            good, why = False, traceback.format_exc()
        finally:
            signal.alarm(0)
        failed += not good
        print('%sok %d - %s%s' % ('' if good else 'not ', number, name,
                                  ' [%s]' % ' '.join(ids) if ids else ''), flush=True)
        say('%.1f s' % (time.monotonic() - began))
        if why:
            say(why)
    sys.exit(1 if failed else 0)
