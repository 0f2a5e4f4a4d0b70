"""
client.py - a client that looks at every byte, and a load of many such connections.
"""
import random
import re
import select
import selectors
import socket
import threading
import time
import zlib

STATUS_LINE = re.compile(rb'HTTP/1\.([01]) ([1-5][0-9][0-9]) ([\x20-\x7e]*)\Z')
FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+): ?([\x20-\x7e\x80-\xff\t]*)\Z")
ONCE = {'content-length', 'connection', 'date', 'server', 'content-type', 'etag', 'location',
        'last-modified', 'content-range', 'content-encoding', 'transfer-encoding', 'vary'}


class Malformed(AssertionError):
    """The server has said something that is not HTTP, or ended in the middle."""


class Reset(Malformed):
    """The connection was reset."""


class Response:
    """An answer: status, reason, headers (name in small letters -> value), body, raw head."""

    def __init__(self, head):
        lines = head[:-4].split(b'\r\n')
        match = STATUS_LINE.match(lines[0])
        if not match:
            raise Malformed('status line %r' % lines[0])
        self.head = head
        self.version = '1.' + match.group(1).decode()
        self.status = int(match.group(2))
        self.reason = match.group(3).decode('latin-1')
        self.fields = []
        self.headers = {}
        self.body = b''
        self.chunked = False
        for line in lines[1:]:
            match = FIELD.match(line)
            if not match:
                raise Malformed('header line %r' % line)
            name, value = match.group(1).decode().lower(), match.group(2).decode('latin-1').strip()
            if name in ONCE and name in self.headers:
                raise Malformed('two %s headers: %r' % (name, head))
            self.fields.append((name, value))
            self.headers[name] = value
        if 'content-length' in self.headers and 'transfer-encoding' in self.headers:
            raise Malformed('length and transfer coding: %r' % head)

    def __getitem__(self, name):
        return self.headers.get(name.lower(), '')

    def all(self, name):
        """All values of a header."""
        return [v for n, v in self.fields if n == name.lower()]

    @property
    def closes(self):
        """Was it said that the connection ends?"""
        word = self['connection'].lower()
        return word == 'close' if self.version == '1.1' else word != 'keep-alive'

    def plain(self):
        """The body without its content coding."""
        if self['content-encoding'] == 'gzip':
            return zlib.decompress(self.body, 47)
        if self['content-encoding']:
            raise Malformed('content-encoding ' + self['content-encoding'])
        return self.body


class Client:
    """A connection. address: (host, port) or the path of a unix socket."""

    def __init__(self, address, timeout=20, rcvbuf=0):
        if isinstance(address, str):
            family = socket.AF_UNIX
        else:
            family = socket.AF_INET6 if ':' in address[0] else socket.AF_INET
        self.sock = socket.socket(family)
        if rcvbuf:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        self.sock.settimeout(timeout)
        self.timeout = timeout
        self.sock.connect(address)
        if family != socket.AF_UNIX:
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b''

    def close(self):
        self.sock.close()

    def reset(self):
        """Closes with RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b'\1\0\0\0\0\0\0\0')
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data if isinstance(data, bytes) else data.encode('latin-1'))

    def more(self):
        """Reads; False at the end."""
        try:
            data = self.sock.recv(262144)
        except socket.timeout:
            raise Malformed('no answer within %g s; so far %r' % (self.timeout,
                                                                  self.buffer[:300])) \
                from None
        except ConnectionError as e:
            raise Reset('%s; so far %r' % (e, self.buffer[:300])) from None
        self.buffer += data
        return bool(data)

    def exactly(self, n, what):
        """n bytes."""
        parts, have = [self.buffer], len(self.buffer)
        while have < n:
            self.buffer = b''
            if not self.more():
                raise Malformed('%s ends after %d of %d bytes' % (what, have, n))
            parts.append(self.buffer)
            have += len(self.buffer)
        data = b''.join(parts)
        self.buffer = data[n:]
        return data[:n]

    def until(self, mark, what, most=131072):
        """Bytes up to a mark, with it."""
        while mark not in self.buffer:
            if len(self.buffer) > most:
                raise Malformed('%s too long: %r' % (what, self.buffer[:200]))
            if not self.more():
                raise Malformed('the end instead of %s; got %r' % (what, self.buffer[:300]))
        at = self.buffer.index(mark) + len(mark)
        data, self.buffer = self.buffer[:at], self.buffer[at:]
        return data

    def response(self, method='GET'):
        """The next answer, 100 Continue left out but counted in .continued."""
        continued = 0
        while True:
            r = Response(self.until(b'\r\n\r\n', 'a head'))
            if r.status != 100:
                break
            continued += 1
        r.continued = continued
        if method == 'HEAD' or r.status in (204, 304) or r.status < 200:
            return r
        if 'chunked' in r['transfer-encoding']:
            r.chunked = True
            r.body = self.chunks()
        elif 'content-length' in r.headers:
            if not re.fullmatch(r'\d+', r['content-length']):
                raise Malformed('content-length %r' % r['content-length'])
            r.body = self.exactly(int(r['content-length']), 'a body')
        else:
            while self.more():
                pass
            r.body, self.buffer = self.buffer, b''
        return r

    def chunks(self):
        """A chunked body."""
        parts = []
        while True:
            line = self.until(b'\r\n', 'a chunk size')
            if not re.fullmatch(rb'[0-9a-f]+\r\n', line):
                raise Malformed('chunk size %r' % line)
            size = int(line, 16)
            data = self.exactly(size + 2, 'a chunk')
            if data[-2:] != b'\r\n':
                raise Malformed('chunk end %r' % data[-2:])
            if not size:
                return b''.join(parts)
            parts.append(data[:-2])

    def request(self, method, path, *headers, host='localhost', body=None, version='1.1'):
        """A request and its answer."""
        lines = ['%s %s HTTP/%s' % (method, path, version)]
        if host is not None:
            lines.append('Host: ' + host)
        lines += headers
        if body is not None:
            lines.append('Content-Length: %d' % len(body))
        self.send('\r\n'.join(lines) + '\r\n\r\n')
        if body:
            self.send(body)
        return self.response(method)

    def get(self, path, *headers, **more):
        return self.request('GET', path, *headers, **more)

    def quiet(self):
        """Nothing more may have come."""
        if self.buffer or select.select([self.sock], [], [], 0)[0]:
            raise Malformed('bytes that nobody asked for, or the end: %r' % self.buffer[:300])

    def expect_end(self):
        """The server closes in order and says nothing more."""
        if self.buffer or self.more():
            raise Malformed('bytes behind the last answer: %r' % self.buffer[:300])

    def rest(self):
        """All bytes up to the end; the flag tells whether that was a reset."""
        try:
            while self.more():
                pass
            return self.buffer, False
        except Reset:
            return self.buffer, True


# ---- Load ----------------------------------------------------------------------------------------

class Target:
    """What is asked for and what must come, in all its bytes."""

    def __init__(self, path, body, status=200, headers=(), host='localhost'):
        lines = ['GET %s HTTP/1.1' % path, 'Host: ' + host, *headers]
        self.path = path
        self.request = ('\r\n'.join(lines) + '\r\n\r\n').encode()
        self.status = status
        self.body = body               # bytes, or a set of them: any of these


class _Peer:
    """One connection of a load."""

    def __init__(self):
        self.sock = None
        self.state = 'down'            # down, connecting, waiting, busy, ending, resting
        self.buffer = bytearray()
        self.need = -1                 # bytes of the whole answer; -1: head not complete
        self.response = None
        self.target = None
        self.unsent = b''
        self.asked = 0.0
        self.seen = ''                 # what x-worker said last
        self.answers = 0


class Load(threading.Thread):
    """
    Connections that ask and check. After each answer a connection pauses for up to "pause" seconds,
    so that at any time some are idle. Stop it with finish(); then look at .failures, a list of
    (kind, text, x-worker of the connection), and at the counters.
    """

    def __init__(self, address, targets, connections=64, pause=0.01, limit=20.0, seed=1):
        super().__init__(daemon=True)
        self.address = address
        self.targets = targets
        self.count = connections
        self.pause = pause
        self.limit = limit
        self.random = random.Random(seed)
        self.selector = selectors.DefaultSelector()
        self.stopping = threading.Event()
        self.answered = 0
        self.announced = 0             # closes that were announced
        self.connects = 0
        self.failures = []
        self.crash = None
        self.workers = {}              # x-worker -> answers

    # -- From outside

    def finish(self, seconds=30):
        """Lets all requests in hand come to their end."""
        self.stopping.set()
        self.join(seconds)
        if self.is_alive():
            raise Malformed('the load does not end')
        if self.crash:
            raise self.crash

    def wait_answers(self, n, seconds=60):
        """Waits until n more answers have come."""
        until, end = self.answered + n, time.monotonic() + seconds
        while self.answered < until:
            if not self.is_alive():
                raise self.crash or Malformed('the load has ended')
            if time.monotonic() > end:
                raise Malformed('%d answers of %d in %g s; failures %r' % (
                    self.answered - until + n, n, seconds, self.failures[:5]))
            time.sleep(0.005)

    def kinds(self):
        """kind -> count"""
        found = {}
        for kind, _, _ in self.failures:
            found[kind] = found.get(kind, 0) + 1
        return found

    # -- The thread

    def run(self):
        try:
            peers = [_Peer() for _ in range(self.count)]
            for p in peers:
                self.open(p)
            while any(p.sock for p in peers) or not self.stopping.is_set():
                self.turn(peers)
        except BaseException as e:
            self.crash = e
        finally:
            self.selector.close()

    def turn(self, peers):
        for key, events in self.selector.select(0.005):
            p = key.data
            try:
                if events & selectors.EVENT_WRITE:
                    self.writable(p)
                if events & selectors.EVENT_READ and p.sock:
                    self.readable(p)
            except Malformed as e:
                self.fail(p, 'malformed', str(e))
        now = time.monotonic()
        for p in peers:
            if p.state == 'resting' and now >= p.asked:
                if self.stopping.is_set():
                    self.drop(p)
                else:
                    self.ask(p)
            elif p.state == 'down' and not self.stopping.is_set() and now >= p.asked:
                self.open(p)
            elif p.state in ('connecting', 'busy', 'ending') and now > p.asked + self.limit:
                self.fail(p, 'timeout', 'state %s, %d bytes' % (p.state, len(p.buffer)))

    def open(self, p):
        unix = isinstance(self.address, str)
        p.sock = socket.socket(socket.AF_UNIX if unix else socket.AF_INET6
                               if ':' in self.address[0] else socket.AF_INET)
        p.buffer.clear()
        p.answers, p.seen = 0, ''
        p.asked = time.monotonic()
        if unix:
            # A full queue of a unix socket is EAGAIN for a client that does not wait.
            p.sock.settimeout(self.limit)
            try:
                p.sock.connect(self.address)
            except OSError as e:
                p.state = 'connecting'
                self.selector.register(p.sock, selectors.EVENT_READ, p)
                self.fail(p, 'refused', str(e))
                return
            p.sock.setblocking(False)
        else:
            p.sock.setblocking(False)
            p.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                p.sock.connect(self.address)
            except BlockingIOError:
                pass
        p.state = 'connecting'
        self.connects += 1
        self.selector.register(p.sock, selectors.EVENT_WRITE, p)

    def drop(self, p):
        if p.sock:
            self.selector.unregister(p.sock)
            p.sock.close()
        p.sock = None
        p.state = 'down'

    def fail(self, p, kind, text):
        self.failures.append((kind, '%s; %s after %d answers on that connection' % (
            text, p.target.path if p.target else '-', p.answers), p.seen))
        self.drop(p)
        p.asked = time.monotonic() + 0.02

    def ask(self, p):
        p.target = self.random.choice(self.targets)
        p.buffer.clear()
        p.need, p.response = -1, None
        p.asked = time.monotonic()
        p.unsent = p.target.request
        p.state = 'busy'
        self.push(p)

    def push(self, p):
        try:
            n = p.sock.send(p.unsent)
        except BlockingIOError:
            n = 0
        except OSError as e:
            self.fail(p, 'reset', 'sending: %s' % e)
            return
        p.unsent = p.unsent[n:]
        self.selector.modify(p.sock, selectors.EVENT_READ
                             | (selectors.EVENT_WRITE if p.unsent else 0), p)

    def writable(self, p):
        if p.state == 'connecting':
            error = p.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if error:
                self.fail(p, 'refused', 'errno %d' % error)
            else:
                self.ask(p)
        elif p.state == 'busy' and p.unsent:
            self.push(p)

    def readable(self, p):
        try:
            data = p.sock.recv(262144)
        except BlockingIOError:
            return
        except OSError as e:
            self.fail(p, 'reset', 'state %s, %d bytes: %s' % (p.state, len(p.buffer), e))
            return
        if p.state == 'ending':
            if data:
                self.fail(p, 'malformed', 'bytes behind the last answer %r' % data[:100])
            else:
                self.announced += 1
                self.drop(p)
                p.asked = 0
        elif p.state == 'resting':
            if data:
                self.fail(p, 'malformed', 'bytes while idle %r' % data[:100])
            else:
                self.fail(p, 'closed', 'idle, not announced')
        elif not data:
            self.fail(p, 'truncated' if p.buffer else 'closed',
                      'the end after %d of %d bytes' % (len(p.buffer), p.need))
        else:
            p.buffer += data
            self.progress(p)

    def progress(self, p):
        if p.need < 0:
            at = p.buffer.find(b'\r\n\r\n')
            if at < 0:
                return
            p.response = Response(bytes(p.buffer[:at + 4]))
            length = p.response['content-length']
            if not length.isdigit():
                raise Malformed('no length: %r' % p.response.head)
            p.need = at + 4 + int(length)
        if len(p.buffer) < p.need:
            return
        if len(p.buffer) > p.need:
            raise Malformed('bytes behind the answer: %r' % bytes(p.buffer[p.need:p.need + 100]))
        r, wanted = p.response, p.target.body
        r.body = bytes(p.buffer[len(r.head):])
        plain = r.plain()
        if r.status != p.target.status or not (plain in wanted if isinstance(wanted, (set, dict))
                                               else plain == wanted):
            self.fail(p, 'wrong', 'status %d, %d bytes %r' % (r.status, len(plain), plain[:60]))
            return
        p.seen = r['x-worker']
        p.answers += 1
        self.answered += 1
        self.workers[p.seen] = self.workers.get(p.seen, 0) + 1
        if r.closes:
            p.state = 'ending'
            p.asked = time.monotonic()
        else:
            p.state = 'resting'
            p.asked = time.monotonic() + (self.random.random() * self.pause if self.pause else 0)
            if not self.pause and not self.stopping.is_set():
                self.ask(p)
