"""
browser.py - the demonstration, and a headless Chromium that looks at it through chromedriver.
"""
import json
import os
import shutil
import subprocess
import urllib.request

from harness import BUILDDIR, SRCDIR, Failed, Server, check, free_port, read_text, run, same, wait_for


class Browser:
    """A headless Chromium; commands of WebDriver."""

    def __init__(self):
        if not shutil.which('chromedriver'):
            raise Failed('chromedriver is missing: apt-get install chromium-driver')
        self.port = free_port()
        self.driver = subprocess.Popen(['chromedriver', '--port=%d' % self.port],
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(self.ready, 20, 'chromedriver')
        options = {'args': ['--headless=new', '--no-sandbox', '--disable-gpu',
                            '--disable-dev-shm-usage']}
        made = self.command('POST', '', {'capabilities': {'alwaysMatch': {
            'browserName': 'chrome', 'goog:chromeOptions': options}}}, session=False)
        self.session = made['sessionId']

    def command(self, method, path, data=None, session=True):
        url = 'http://127.0.0.1:%d/session%s%s' % (
            self.port, '/' + self.session if session else '', path)
        body = json.dumps(data or {}).encode() if method == 'POST' else None
        request = urllib.request.Request(url, body, {'Content-Type': 'application/json'},
                                         method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)['value']

    def ready(self):
        try:
            with urllib.request.urlopen('http://127.0.0.1:%d/status' % self.port) as answer:
                return json.load(answer)['value']['ready']
        except OSError:
            return False

    def open(self, url):
        """A new window with that page; its handle."""
        window = self.command('POST', '/window/new', {'type': 'window'})['handle']
        self.run_in(window, 'return 0')
        self.command('POST', '/url', {'url': url})
        return window

    def run_in(self, window, script, *args):
        self.command('POST', '/window', {'handle': window})
        return self.command('POST', '/execute/sync', {'script': script, 'args': list(args)})

    def close(self):
        try:
            self.command('DELETE', '')
        finally:
            self.driver.terminate()
            self.driver.wait(20)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def site():
    """The demonstration as ./bootstrap demo serves it, on a port of its own."""
    conf = read_text(os.path.join(SRCDIR, 'conf', 'demo.conf'))
    for line in ('daemon            off;', 'worker_processes  2;', 'error_log         stderr  notice;',
                 'pid               demo.pid;'):
        check(line in conf, 'the configuration says %s', line)
        conf = conf.replace(line, '')
    conf = conf.replace('127.0.0.1:8080', '@port@').replace('http {', '@main@\nhttp {', 1)
    for module in ('prebuilt', 'stream', 'websocket'):
        conf = conf.replace('modules/%s.so' % module,
                            os.path.join(BUILDDIR, 'modules', module, '.libs', module + '.so'))
    s = Server(conf, workers=2)
    shutil.copytree(os.path.join(SRCDIR, 'conf', 'demo'), s.path('demo'))
    done = run([os.path.join(SRCDIR, 'doc', 'html'), s.path('demo/manual')])
    same((done.returncode, done.stderr), (0, ''), 'making the manual')
    shutil.copy(os.path.join(SRCDIR, 'conf', 'mime.types'), s.path('conf/mime.types'))
    return s
