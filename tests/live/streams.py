"""
streams.py - servers with channels, and clients of event streams, for the tests that have them.
"""
import json
import os
import re

from client import Response
from harness import BUILDDIR, Failed, Server, check, same

MODULE = os.path.join(BUILDDIR, 'modules', 'stream', '.libs', 'stream.so')
SITE = '''
load_module @stream@;
@main@
@top@
events { worker_connections 4096; }
http {
    log_format reason '$request $status $close_reason';
    access_log logs/access.log reason;
    keepalive_timeout 20s;
    client_max_body_size 256k;
    server {
        listen @port@ reuseport;
        root @prefix@/www;
        add_header X-Worker $pid always;
        @more@
        location /sse { stream sse $arg_c; publish $arg_c; }
        location /poll { stream longpoll $arg_c; stream_poll_timeout 1s; }
        location /parts { stream multipart $arg_c; }
        location /raw { stream chunked $arg_c; }
        location /file { stream file @prefix@/www/$arg_f; }
        location /pub { publish $arg_c; publish_event $http_x_event; }
        location /slowly { publish $arg_c; publish_rate 3; }
        location /few { stream sse $arg_c; stream_subscribers 2; }
    }
}
'''


def site(top='', more='', **kwargs):
    return Server(SITE, words={'stream': MODULE, 'top': top, 'more': more}, **kwargs)


class Events:
    """A client of an event stream."""

    def __init__(self, s, channel, last=None, path='/sse', **more):
        self.c = s.connect(**more)
        self.rest = b''
        self.last = last
        lines = ['GET %s?c=%s HTTP/1.1' % (path, channel), 'Host: x', 'Accept: text/event-stream']
        if last is not None:
            lines.append('Last-Event-ID: %s' % last)
        self.c.send('\r\n'.join(lines) + '\r\n\r\n')
        self.head = Response(self.c.until(b'\r\n\r\n', 'a head'))
        self.worker = int(self.head['x-worker'])
        if self.head.status == 200:
            same(self.head['content-type'], 'text/event-stream', 'type')
            first = self.event()
            check('retry' in first and 'id' in first and 'data' not in first, 'first: %r', first)

    def chunk(self):
        """The next piece; None at the end."""
        size = int(self.c.until(b'\r\n', 'a chunk size'), 16)
        data = self.c.exactly(size + 2, 'a chunk')
        same(data[-2:], b'\r\n', 'the end of a chunk')
        return data[:-2] if size else None

    def event(self):
        """The next event as a dictionary; None at the end of the stream."""
        while b'\n\n' not in self.rest:
            piece = self.chunk()
            if piece is None:
                same(self.rest, b'', 'half an event at the end')
                return None
            self.rest += piece
        block, self.rest = self.rest.split(b'\n\n', 1)
        found = {}
        for line in block.decode().split('\n'):
            name, _, value = line.partition(':')
            value = value[1:] if value.startswith(' ') else value
            found[name] = found[name] + '\n' + value if name == 'data' and 'data' in found else value
        if 'id' in found:
            self.last = int(found['id'])
        return found

    def message(self):
        """The next event that has data."""
        while True:
            e = self.event()
            if e is None or 'data' in e:
                return e

    def close(self):
        self.c.close()


def publish(s, channel, data, *headers, path='/pub'):
    """Publishes; the id."""
    r = s.get('%s?c=%s' % (path, channel), *headers, method='POST', body=data)
    same(r.status, 202, 'status of a publication')
    return json.loads(r.body)['id']


def presence(s, channel):
    return json.loads(s.get('/pub?c=' + channel).body)


def on_both(s, channel, count=2):
    """Streams, at least count on each worker."""
    streams = []
    for _ in range(200):
        streams.append(Events(s, channel))
        by_worker = [e.worker for e in streams]
        if all(by_worker.count(w) >= count for w in s.workers()):
            return streams
    raise Failed('all streams are on one worker')


def metric(s, name):
    done = s.command('ctl', 'metrics')
    return int(re.search(r'^selvage_%s (\d+)' % re.escape(name), done.stdout, re.M).group(1))
