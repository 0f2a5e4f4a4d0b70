"""What the benchmarks share: starting servers, reading what they cost, ending them."""

import ctypes
import glob
import gzip
import json
import os
import random
import re
import resource
import select
import shutil
import signal
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
# where ./bootstrap unpacks packages that are not to be installed
PEERS = os.path.join(os.path.dirname(os.path.dirname(HERE)), 'build', 'peers')
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


def remove_temp(path, keep=False):
    """Removes the folder, unless it is to be kept; a signal does not leave half of it behind."""
    if keep:
        say('kept: %s' % path)
        return
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    shutil.rmtree(path, ignore_errors=True)


def write_file(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, 'wb') as f:
        f.write(text if isinstance(text, bytes) else text.encode())
    os.chmod(path, 0o644)
    return path


def find_binary(name):
    """The path of a program that is installed, or unpacked in build/peers."""
    places = ['/usr/sbin'] + [os.path.join(PEERS, 'usr', d) for d in ('sbin', 'bin')]
    path = shutil.which(name, path=':'.join([os.environ.get('PATH', '')] + places))
    if path is None:
        raise Failure('%s is not installed' % name)
    return path


def environment():
    """The environment of servers: what is only unpacked finds its libraries there, too."""
    unpacked = sorted(glob.glob(os.path.join(PEERS, 'usr', 'lib', '*-linux-gnu*')))
    if not unpacked:
        return None
    known = [d for d in [os.environ.get('LD_LIBRARY_PATH')] if d]
    return dict(os.environ, LD_LIBRARY_PATH=':'.join(known + unpacked))


def find_selvage(path):
    """The absolute path of the selvage that is to be measured."""
    if not os.access(path, os.X_OK):
        raise Failure('%s does not exist yet' % path)
    return os.path.abspath(path)


def build_tool(name, temp, more=()):
    """The path of limit, load or fan: from the build directory, or compiled into the temporary
    one; `more` are sources that it shares with another."""
    built = os.path.join('tests', 'bench', name)
    sources = sorted(glob.glob(os.path.join(HERE, name + '.[ch]'))
                     + glob.glob(os.path.join(HERE, name + '_*.c'))
                     + [os.path.join(HERE, source) for source in more])
    newest = max(os.path.getmtime(source) for source in sources)
    if os.access(built, os.X_OK) and os.path.getmtime(built) >= newest:
        return os.path.abspath(built)
    out = os.path.join(temp, name)
    argv = [os.environ.get('CC', 'gcc'), '-O2', '-std=gnu11', '-D_GNU_SOURCE', '-o', out]
    argv += [source for source in sources if source.endswith('.c')]
    if name == 'limit':
        argv += ['-DLLHTTP_STRICT_MODE=1', '-I/usr/share/include/llhttp'] + LLHTTP_SOURCES
        argv += ['-lev']
    if name in ('load', 'limit'):
        argv += ['-lssl', '-lcrypto']
    done = subprocess.run(argv, capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        raise Failure('cannot build %s: %s' % (name, done.stderr.strip()[-400:]))
    return out


# Pages

def text_source(seed=1, size=1 << 20):
    """Words that compress about as well as prose, always the same."""
    rng = random.Random(seed)
    letters = 'etaoinshrdlucmfwypvbgk'
    words = [''.join(rng.choices(letters, k=rng.randrange(2, 10))) for _ in range(3000)]
    weights = [1 / (i + 3) for i in range(len(words))]
    out = []
    while size > 0:
        line = '<p>%s.</p>\n' % ' '.join(rng.choices(words, weights, k=rng.randrange(8, 40)))
        size -= len(line)
        out.append(line)
    return ''.join(out).encode()


def page(source, number, size):
    """Page `number` of a site: no two are the same, each is HTML-like text of `size` bytes."""
    head = b'<!doctype html><title>Page %d</title>\n' % number
    at = number * 2654435761 % (len(source) - size)
    return (head + source[at:at + size])[:size - 1] + b'\n'


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
    """CPU time of one process in nanoseconds, user and system, all the threads it ever had."""
    try:
        # the clock of a process, as clock_getcpuclockid(3) makes it
        return time.clock_gettime_ns((~pid << 3) | 2)
    except OSError:
        return 0


def pss_kib(pids):
    """Memory of processes in KiB; what they share is counted once."""
    total = 0
    for pid in pids:
        m = re.search(r'^Pss:\s+(\d+) kB', read_text('/proc/%d/smaps_rollup' % pid), re.M)
        total += int(m.group(1)) if m else 0
    return total


# Talking to a server

class Client:
    """A connection over which requests are made one after the other."""

    def __init__(self, port, timeout=5.0, tls=False):
        self.socket = socket.create_connection(('127.0.0.1', port), timeout=timeout)
        if tls:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            self.socket = context.wrap_socket(self.socket, server_hostname='bench.example')

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def more(self, data):
        chunk = self.socket.recv(262144)
        if not chunk:
            raise OSError('closed in the middle of an answer')
        return data + chunk

    def ask(self, request):
        """Sends one request and reads one answer. Returns (status, head, body)."""
        self.socket.sendall(request)
        data = b''
        while b'\r\n\r\n' not in data:
            data = self.more(data)
        head, _, body = data.partition(b'\r\n\r\n')
        status = int(head.split()[1])
        m = re.search(rb'\r\ncontent-length: *(\d+)', head, re.I)
        if m is None and status == 200:
            raise Failure('the answer has no Content-Length')
        length = int(m.group(1)) if m and status not in (204, 304) else 0
        while len(body) < length:
            body = self.more(body)
        return status, head + b'\r\n\r\n', body


def exchange(port, request, timeout=5.0, tls=False):
    """Makes one request on a connection of its own. Returns (status, head, body)."""
    with Client(port, timeout, tls) as client:
        return client.ask(request)


def header(head, name):
    m = re.search(rb'\r\n' + name.encode() + rb': *([^\r]*)', head, re.I)
    return m.group(1).decode() if m else ''


def decoded(coding, body, size):
    """The body without its coding. br needs the decoder's library; what it is compared with says
    how large it is."""
    if coding == 'gzip':
        return gzip.decompress(body)
    if coding != 'br':
        return body
    out, length = ctypes.create_string_buffer(size), ctypes.c_size_t(size)
    try:
        library = ctypes.CDLL('libbrotlidec.so.1')
    except OSError as e:
        raise Failure('cannot check br: %s' % e)
    library.BrotliDecoderDecompress(ctypes.c_size_t(len(body)), body, ctypes.byref(length), out)
    return out.raw[:length.value]


class Server:
    """One running server: a root process and what it forks. What `helpers`, servers that this one
    cannot do without, cost is its cost, and they end with it."""

    def __init__(self, name, argv, port, folder, core, helpers=(), tls=False):
        self.name = name
        self.port = port
        self.tls = tls
        self.helpers = list(helpers)
        self.log = os.path.join(folder, 'output')
        self.started = time.monotonic()
        with open(self.log, 'wb') as log:
            self.process = subprocess.Popen(pinned(core, argv), stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, start_new_session=True,
                                            env=environment())
        self.last_seen = {}

    def exchange(self, request, timeout=5.0):
        return exchange(self.port, request, timeout, self.tls)

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
        return sum(self.last_seen.values()) + sum(h.cpu_ns() for h in self.helpers)

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
                status, head, body = self.exchange(request, max(0.1, end - time.monotonic()))
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
        for helper in self.helpers:
            helper.stop()


def start_time(pid):
    """When a process began, in ticks: tells a process from a later one with the same id."""
    fields = read_text('/proc/%d/stat' % pid).rpartition(')')[2].split()
    return fields[19] if len(fields) > 19 else ''


def end_process(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except OSError:
        pass


class Load:
    """A running load generator that waits for the word to start."""

    def __init__(self, argv):
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)

    def line(self, seconds):
        ready, _, _ = select.select([self.process.stdout], [], [], seconds)
        text = self.process.stdout.readline() if ready else ''
        if not text:
            raise Failure('the load generator gave no answer')
        return text

    def result(self, seconds):
        return json.loads(self.line(seconds))

    def go(self):
        """Starts the load, or ends it early."""
        self.process.stdin.write('go\n')
        self.process.stdin.flush()

    def end(self):
        """Lets go of the connections and ends; returns what it still had to say."""
        try:
            return self.process.communicate(timeout=10)[0]
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.communicate()[0]


def measure(server, argv, seconds):
    """What one run of the load generator says, with the CPU time that it cost the server."""
    load = Load(argv)
    try:
        load.line(40)
        pids, before = server.pids(), server.cpu_ns()
        load.go()
        result = load.result(seconds + 20)
        result['cpu_us'] = (server.cpu_ns() - before) / 1000.0
        result['restarted'] = server.pids() != pids
        return result
    finally:
        load.end()


def cost(result):
    return result['cpu_us'] / result['requests']


def ratios(results, name, base, value):
    """The value of each round, over that of the base server in the same round."""
    pairs = zip(results.get(name, []), results.get(base, []))
    return [value(a) / value(b) for a, b in pairs if a and b and value(b)]


# Configuration in nginx's grammar

def certificate(folder):
    """A new P-256 key with a certificate for it. Returns the paths of certificate and key."""
    cert, key = os.path.join(folder, 'cert.pem'), os.path.join(folder, 'key.pem')
    if not os.path.exists(cert):
        subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt',
                        'ec_paramgen_curve:P-256', '-nodes', '-days', '30', '-subj',
                        '/CN=bench.example', '-addext', 'subjectAltName=DNS:bench.example',
                        '-keyout', key, '-out', cert], check=True, capture_output=True)
        os.chmod(key, 0o644)
    return cert, key


def server_conf(folder, port, server, http='', top='', names='_', workers=1, level='warn',
                listen=''):
    """A whole configuration with one server; what `server`, `http` and `top` say is added."""
    return frame_conf(folder, top, http + """
    server {
        listen 127.0.0.1:%d%s;
        server_name %s;
        %s
    }
""" % (port, listen, names, server), workers, level)


def frame_conf(folder, top, http, workers=1, level='warn'):
    user = 'user www-data;' if os.geteuid() == 0 else ''
    return """%s
%s
daemon off;
master_process on;
worker_processes %d;
error_log %s/error.log %s;
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
""" % (top, user, workers, folder, level, folder, http)


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
    raise Failure('%s.so not found; say where with --modules' % name)


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
