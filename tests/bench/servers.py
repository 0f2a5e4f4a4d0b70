"""What the benchmarks share: starting servers, reading what they cost, ending them."""

import os
import random
import re
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
LLHTTP_SOURCES = [os.path.join('/usr/share/llhttp', n) for n in ('api.c', 'http.c', 'llhttp.c')]
OPEN_FILES = 65536


class Failure(Exception):
    """Something that keeps one server, or the whole benchmark, from being measured."""


# what talking to a server that misbehaves can raise
TROUBLE = (Failure, OSError, ValueError, IndexError)


def say(text):
    print(text, file=sys.stderr, flush=True)


def on_signal(number, _frame):
    raise SystemExit(128 + number)


def prepare():
    """Makes room for descriptors, and makes a signal run the clean-up as an exception does."""
    for hard in (OPEN_FILES, resource.getrlimit(resource.RLIMIT_NOFILE)[1]):
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            break
        except (ValueError, OSError):
            continue
    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGHUP, on_signal)


def private_network(congestion):
    """Starts this program again in a network namespace of its own, with the wanted congestion
    control; the machine's own network keeps its settings. Large answers depend on it: where a
    client reads little at a time, sendfile cost four times as much under bbr, which paces its
    output, as under reno."""
    if os.environ.get('SELVAGE_BENCH_NETWORK') == congestion:
        return
    os.environ['SELVAGE_BENCH_NETWORK'] = congestion
    setup = 'ip link set lo up && sysctl -qw net.ipv4.tcp_congestion_control="$0" && exec "$@"'
    os.execvp('unshare', ['unshare', '-n', 'sh', '-c', setup, congestion, sys.executable]
              + [os.path.abspath(sys.argv[0])] + sys.argv[1:])


def surroundings():
    """What of this machine the figures depend on, on one line."""
    model = re.search(r'^model name\s*: (.*)', read_text('/proc/cpuinfo'), re.M)
    return '%s x %d, Linux %s, TCP %s, load average %s' % (
        model.group(1) if model else os.uname().machine, os.cpu_count(), os.uname().release,
        read_text('/proc/sys/net/ipv4/tcp_congestion_control').strip(),
        ' '.join(read_text('/proc/loadavg').split()[:3]))


def cores():
    """The core of the servers and the core of the load; the same one where there is only one."""
    have = sorted(os.sched_getaffinity(0))
    return have[0], have[-1]


def pinned(core, argv):
    return ['taskset', '-c', str(core)] + argv if shutil.which('taskset') else argv


def free_port():
    """A free loopback port below the range that the kernel gives to clients."""
    for _ in range(1000):
        port = random.randrange(12000, 32000)
        with socket.socket() as s:
            try:
                s.bind(('127.0.0.1', port))
                return port
            except OSError:
                continue
    raise Failure('no free port')


def make_temp():
    """A folder that an unprivileged worker can read."""
    path = tempfile.mkdtemp(prefix='selvage-bench-')
    os.chmod(path, 0o755)
    return path


def write_file(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, 'wb') as f:
        f.write(text if isinstance(text, bytes) else text.encode())
    os.chmod(path, 0o644)
    return path


def build_tool(name, temp):
    """The path of limit or load: from the build directory, or compiled into the temporary one."""
    built = os.path.join('tests', 'bench', name)
    source = os.path.join(HERE, name + '.c')
    if os.access(built, os.X_OK) and os.path.getmtime(built) >= os.path.getmtime(source):
        return os.path.abspath(built)
    out = os.path.join(temp, name)
    argv = [os.environ.get('CC', 'gcc'), '-O2', '-std=gnu11', '-o', out, source]
    if name == 'limit':
        argv += ['-DLLHTTP_STRICT_MODE=1', '-I/usr/share/include/llhttp'] + LLHTTP_SOURCES
        argv += ['-lev']
    done = subprocess.run(argv, capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        raise Failure('cannot build %s: %s' % (name, done.stderr.strip()[-400:]))
    return out


# What processes cost

def read_text(path):
    try:
        with open(path) as f:
            return f.read()
    except OSError:
        return ''


def tree(root):
    """The process ids of a process and all its descendants, the root first."""
    children = {}
    for name in os.listdir('/proc'):
        if name.isdigit():
            stat = read_text('/proc/%s/stat' % name)
            if stat:
                children.setdefault(int(stat.rpartition(')')[2].split()[1]), []).append(int(name))
    found = [root]
    for pid in found:
        found += sorted(children.get(pid, []))
    return found


def run_time(pid):
    """CPU time of one process in nanoseconds, user and system, all its threads."""
    total = 0
    try:
        tasks = os.listdir('/proc/%d/task' % pid)
    except OSError:
        return 0
    for task in tasks:
        fields = read_text('/proc/%d/task/%s/schedstat' % (pid, task)).split()
        total += int(fields[0]) if fields else 0
    return total


def pss_kib(pids):
    """Memory of processes in KiB; what they share is counted once."""
    total = 0
    for pid in pids:
        m = re.search(r'^Pss:\s+(\d+) kB', read_text('/proc/%d/smaps_rollup' % pid), re.M)
        total += int(m.group(1)) if m else 0
    return total


# Talking to a server

def exchange(port, request, timeout=5.0):
    """Sends one request and reads one answer. Returns (status, head, body)."""
    with socket.create_connection(('127.0.0.1', port), timeout=timeout) as s:
        s.sendall(request)
        data = b''
        while b'\r\n\r\n' not in data:
            data = more(s, data)
        head, _, body = data.partition(b'\r\n\r\n')
        status = int(head.split()[1])
        m = re.search(rb'\r\ncontent-length: *(\d+)', head, re.I)
        length = int(m.group(1)) if m and status not in (204, 304) else 0
        while len(body) < length:
            body = more(s, body)
    return status, head + b'\r\n\r\n', body


def more(s, data):
    chunk = s.recv(262144)
    if not chunk:
        raise OSError('closed in the middle of an answer')
    return data + chunk


def header(head, name):
    m = re.search(rb'\r\n' + name.encode() + rb': *([^\r]*)', head, re.I)
    return m.group(1).decode() if m else ''


class Server:
    """One running server: a root process and what it forks."""

    def __init__(self, name, argv, port, folder, core):
        self.name = name
        self.port = port
        self.log = os.path.join(folder, 'output')
        self.started = time.monotonic()
        with open(self.log, 'wb') as log:
            self.process = subprocess.Popen(pinned(core, argv), stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, start_new_session=True)
        self.last_seen = {}

    def words(self):
        """What the server said last, on one line."""
        lines = [x.strip() for x in read_text(self.log).splitlines() if x.strip()]
        return ' / '.join(lines[-3:])[-300:] or 'no message'

    def pids(self):
        return tree(self.process.pid)

    def cpu_ns(self):
        """CPU time so far, also of processes that were seen before and have ended."""
        for pid in self.pids():
            self.last_seen[pid] = max(self.last_seen.get(pid, 0), run_time(pid))
        return sum(self.last_seen.values())

    def pss(self):
        return pss_kib(self.pids())

    def check_alive(self):
        if self.process.poll() is not None:
            raise Failure('%s ended with status %s: %s'
                          % (self.name, self.process.returncode, self.words()))

    def wait_ready(self, request, accept, seconds=20, pause=0.005):
        """Waits until `accept(status, head, body)` holds for the answer to `request`."""
        end = time.monotonic() + seconds
        last = 'no answer'
        while time.monotonic() < end:
            self.check_alive()
            try:
                status, head, body = exchange(self.port, request,
                                              max(0.1, end - time.monotonic()))
                if accept(status, head, body):
                    return time.monotonic()
                last = 'status %d, %d bytes' % (status, len(body))
            except TROUBLE as e:
                last = str(e)
            time.sleep(pause)
        raise Failure('%s not ready after %d s: %s; %s' % (self.name, seconds, last, self.words()))

    def settle(self, processes=None, seconds=15):
        """Waits until the server has used no CPU for a while (and has so many processes)."""
        end = time.monotonic() + seconds
        before = self.cpu_ns()
        while time.monotonic() < end:
            time.sleep(0.2)
            now = self.cpu_ns()
            if now - before < 2000000 and (processes is None or len(self.pids()) <= processes):
                return
            before = now

    def stop(self):
        """Ends the server: asks the root process, then kills what is left of its own tree."""
        if self.process.poll() is None:
            mine = self.pids()[1:]
            starts = {pid: start_time(pid) for pid in mine}
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            for pid in mine:
                if starts[pid] and start_time(pid) == starts[pid]:
                    end_process(pid)


def start_time(pid):
    """When a process began, in ticks: tells a process from a later one with the same id."""
    fields = read_text('/proc/%d/stat' % pid).rpartition(')')[2].split()
    return fields[19] if len(fields) > 19 else ''


def end_process(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except OSError:
        pass


# Configuration in nginx's grammar

def server_conf(folder, port, server, http='', top='', names='_'):
    """A whole configuration with one server; what `server`, `http` and `top` say is added."""
    return frame_conf(folder, top, http + """
    server {
        listen 127.0.0.1:%d;
        server_name %s;
        %s
    }
""" % (port, names, server))


def frame_conf(folder, top, http):
    user = 'user www-data;' if os.geteuid() == 0 else ''
    return """%s
%s
daemon off;
master_process on;
worker_processes 1;
error_log %s/error.log warn;
pid %s/pid;
events {
    worker_connections 30000;
}
http {
    types {
        text/html html;
    }
    access_log off;
    keepalive_timeout 3600s;
    %s
}
""" % (top, user, folder, folder, http)


def daemon_argv(binary, folder, conf):
    return [binary, '-p', folder + '/', '-c', conf]


def find_module(name, folder):
    """The path of a module's shared object, in a folder or in where libtool puts it."""
    usual = ['.libs', 'modules/.libs', 'modules/%s/.libs' % name, 'modules']
    places = [folder] if folder else usual
    for place in places:
        path = os.path.abspath(os.path.join(place, name + '.so'))
        if os.path.exists(path):
            return path
    return None


# Tables

def median(values):
    return statistics.median(values) if values else None


def quartiles(values):
    """(first quartile, median, third quartile)."""
    if not values:
        return None
    if len(values) == 1:
        return values[0], values[0], values[0]
    q = statistics.quantiles(values, n=4, method='inclusive')
    return q[0], statistics.median(values), q[2]


def ratio_text(values):
    q = quartiles(values)
    return '**%.2f** (%.2f-%.2f)' % (q[1], q[0], q[2]) if q else '-'


def number(value, digits):
    return '-' if value is None else '%.*f' % (digits, value)


def markdown(columns, rows):
    lines = ['| ' + ' | '.join(columns) + ' |', '|' + '---|' * len(columns)]
    return '\n'.join(lines + ['| ' + ' | '.join(row) + ' |' for row in rows])
