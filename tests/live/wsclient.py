"""
wsclient.py - the client's side of a WebSocket connection, byte for byte as a test wants it.
"""
import struct

from harness import check, same

KEY = 'dGhlIHNhbXBsZSBub25jZQ=='
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class Socket:
    """The client's side of a WebSocket connection, over a connection of client.py."""

    def __init__(self, s, path, *fields, tail=b'', how='v4'):
        self.c = s.connect(how)
        lines = ['GET %s HTTP/1.1' % path, 'Host: localhost', 'Upgrade: websocket',
                 'Connection: Upgrade', 'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: ' + KEY]
        self.c.send(('\r\n'.join(lines + list(fields)) + '\r\n\r\n').encode() + tail)
        self.head = self.c.response()
        same(self.head.status, 101, path)

    def send(self, opcode, payload=b'', fin=True):
        self.c.send(frame(opcode, payload, fin))

    def receive(self):
        """The next frame: opcode with FIN and RSV, payload."""
        first, size = self.c.exactly(2, 'a frame')
        check(not size & 0x80, 'a frame of the server is masked')
        if size == 126:
            size, = struct.unpack('>H', self.c.exactly(2, 'a length'))
            check(size > 125, 'a length is too long')
        elif size == 127:
            size, = struct.unpack('>Q', self.c.exactly(8, 'a length'))
            check(size > 65535, 'a length is too long')
        return first, self.c.exactly(size, 'a payload')

    def expect(self, opcode, payload):
        same(self.receive(), (0x80 | opcode, payload), 'a frame')

    def expect_close(self, code):
        first, payload = self.receive()
        same((first, payload[:2]), (0x80 | CLOSE, struct.pack('>H', code)), 'a Close')
        return payload[2:]

    def finish(self, code=1000):
        """Closes in order."""
        self.send(CLOSE, struct.pack('>H', code))
        self.expect_close(code)
        self.c.expect_end()
        self.c.close()


def frame(opcode, payload=b'', fin=True, key=b'\x11\x92\x33\xf4'):
    """A client's frame."""
    size = len(payload)
    head = bytes([opcode | (0x80 if fin else 0)])
    if size < 126:
        head += bytes([0x80 | size])
    elif size < 65536:
        head += b'\xfe' + struct.pack('>H', size)
    else:
        head += b'\xff' + struct.pack('>Q', size)
    pad = (key * (size // 4 + 1))[:size]
    masked = (int.from_bytes(payload, 'big') ^ int.from_bytes(pad, 'big')).to_bytes(size, 'big')
    return head + key + masked
