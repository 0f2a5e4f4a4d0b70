"""The servers that take part, each configured to do its best: none logs, none compresses on the way,
none checks a file more often than it must, all keep connections open, and one worker or thread does
the work, because they have one core.

A function for each server writes its configuration for a case into a folder, and returns the
command that runs it in the foreground.
"""

import email.utils
import os
import re
import resource
import subprocess
import zlib

import servers as sv

# name: (its program, arguments that make it say its version)
PROGRAMS = {
    'nginx': ('nginx', '-v'),
    'nginx-ret': ('nginx', '-v'),
    'nginx-nosf': ('nginx', '-v'),
    'h2o': ('h2o', '-v'),
    'lighttpd': ('lighttpd', '-v'),
    'varnish': ('varnishd', '-V'),
    'haproxy': ('haproxy', '-v'),
}

OVER_TLS = ('limit-raw', 'limit', 'nginx', 'h2o', 'haproxy', 'selvage-prebuilt', 'selvage-static')

NGINX_HTTP = """sendfile on;
    tcp_nopush on;
    tcp_nodelay on;
    keepalive_requests 1000000000;
    open_file_cache max=20000 inactive=1h;
    open_file_cache_valid 1h;
    open_file_cache_min_uses 1;
    client_body_temp_path TEMP/body;
    proxy_temp_path TEMP/proxy;
    fastcgi_temp_path TEMP/fastcgi;
    uwsgi_temp_path TEMP/uwsgi;
    scgi_temp_path TEMP/scgi;"""
SELVAGE_HTTP = 'keepalive_requests 1000000000;'

H2O = """listen:
  host: 127.0.0.1
  port: %(port)d
%(tls)s%(user)snum-threads: 1
num-name-resolution-threads: 1
max-connections: %(connections)d
http1-request-timeout: 3600
temp-buffer-path: %(folder)s
file.send-compressed: %(compressed)s
hosts:
  default:
    paths:
      /:
        file.dir: %(root)s
"""

LIGHTTPD = """server.document-root = "%(root)s"
server.bind = "127.0.0.1"
server.port = %(port)d
server.event-handler = "linux-sysepoll"
server.network-backend = "sendfile"
server.stat-cache-engine = "simple"
server.max-fds = %(files)d
server.max-connections = %(connections)d
server.max-keep-alive-requests = 65535
server.max-keep-alive-idle = 3600
mimetype.assign = (".html" => "text/html", ".html.gz" => "text/html")
%(user)s%(gzip)s"""
# the compressed file is an ordinary file to it then: cheaper than mod_deflate, even with its cache
LIGHTTPD_GZIP = """server.modules = ("mod_rewrite", "mod_setenv")
$REQUEST_HEADER["accept-encoding"] =~ "gzip" {
    url.rewrite-once = ("^(/[^?]*\\.html)$" => "$1.gz")
    setenv.set-response-header = ("Content-Encoding" => "gzip", "Vary" => "Accept-Encoding")
}
"""

VARNISH = """vcl 4.1;
backend ours { .host = "127.0.0.1"; .port = "%d"; }
sub vcl_recv { return (hash); }
sub vcl_hash { hash_data(req.url); return (lookup); }
sub vcl_backend_response { set beresp.ttl = 24h; set beresp.do_stream = false; return (deliver); }
sub vcl_deliver { return (deliver); }
"""
VARNISH_SET = {'thread_pool_min': '100', 'timeout_idle': '3600'}

HAPROXY = """global
    nbthread 1
    maxconn %(connections)d
%(user)s%(tuning)sdefaults
    mode http
    timeout client 1h
    timeout server 1h
    timeout connect 5s
    timeout http-request 1h
    timeout http-keep-alive 1h
%(before)sfrontend bench
    bind 127.0.0.1:%(port)d%(tls)s
    %(rules)s
"""


def applies(name, case):
    """A `return` of nginx has no files and no validators, and its text is a parameter of a
    configuration file: it stands for 1 KiB pages only. Over TLS those take part that have it."""
    if case.tls:
        return name in OVER_TLS
    return name != 'nginx-ret' or (case.page == '1k.html' and case.status == 200)


def version(name):
    """The version of an installed peer; Failure where there is none."""
    program, option = PROGRAMS[name]
    path = sv.find_binary(program)
    done = subprocess.run([path, option], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=20, env=sv.environment())
    m = re.search(r'\d+\.\d[\w.]*', done.stdout)
    return m.group() if m else '?'


def common(case, folder, port, user):
    """What all configurations say."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return {'port': port, 'folder': folder, 'root': case.root, 'files': files,
            'connections': min(30000, files // 2 - 200),
            'user': user if os.geteuid() == 0 else ''}


def start(name, bench, case, folder, port):
    """The command of one server, and the servers it needs."""
    make = {'limit': limit, 'limit-raw': limit_raw, 'h2o': h2o, 'lighttpd': lighttpd,
            'varnish': varnish, 'haproxy': haproxy}.get(name)
    if make is None:
        make = nginx if name.startswith('nginx') else selvage
    return make(name, bench, case, folder, port)


# Ours

def compose(case, form, path, body):
    """An answer of a plain server with all that caches want to know."""
    etag = '"%08x"' % zlib.crc32(path.encode())
    head = ('HTTP/1.1 %s\r\nDate: %s\r\nConnection: %s\r\nServer: limit\r\n'
            'Last-Modified: %s\r\nETag: %s\r\nCache-Control: max-age=86400\r\n') % (
        '304 Not Modified' if form == '304' else '200 OK', email.utils.formatdate(usegmt=True),
        'close' if case.one_shot else 'keep-alive', email.utils.formatdate(1e9, usegmt=True), etag)
    if form == '304':
        return (head + '\r\n').encode()
    if form == 'coded':
        body = case.bench.packed[path]
        head += 'Content-Encoding: gzip\r\nVary: Accept-Encoding\r\n'
    head += 'Content-Type: text/html\r\nContent-Length: %d\r\n\r\n' % len(body)
    return head.encode() + body


def composed(case):
    """{form: {path: answer}} of a plain server, for all that a case asks for."""
    forms = ['coded' if case.coded else '200'] + (['304'] if case.status == 304 else [])
    return {form: {path: compose(case, form, path, body) for path, body in case.pages.items()}
            for form in forms}


def limit(_name, bench, case, folder, port):
    """Answers with the bytes of selvage-prebuilt, where that has run in this case."""
    argv = limit_of(bench, case.model or composed(case), folder, port)
    return argv + certificate_of(bench, case), ()


def certificate_of(bench, case):
    return list(sv.certificate(bench.temp)) if case.tls else []


def limit_of(bench, answers, folder, port):
    for form, pages in answers.items():
        for path, answer in pages.items():
            sv.write_file(os.path.join(folder, 'answers', form, path), answer)
    return [bench.limit, 'parse', str(port), os.path.join(folder, 'answers')]


def limit_raw(_name, bench, case, folder, port):
    """One answer for everything: that to the first request of the case."""
    answers = case.model or composed(case)
    form = '304' if case.status == 304 else 'coded' if case.coded else '200'
    sv.write_file(os.path.join(folder, 'answer', 'bytes'), next(iter(answers[form].values())))
    argv = [bench.limit, 'raw', str(port), os.path.join(folder, 'answer')]
    return argv + certificate_of(bench, case), ()


def backend(bench, case, folder):
    """A server behind a cache, which asks it for each page once."""
    port = sv.free_port()
    argv = limit_of(bench, composed(case), folder + '/backend', port)
    server = sv.Server('backend', argv, port, folder + '/backend', bench.server_core)
    try:
        request = case.request(case.page)
        server.wait_ready(request, lambda status, head, body: status == 200)
    except BaseException:
        server.stop()
        raise
    return server


def tls_directives(bench, case):
    """What nginx and selvage are told; nginx has to be asked for TLS 1.3."""
    if not case.tls:
        return ''
    return """
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_certificate %s;
        ssl_certificate_key %s;""" % sv.certificate(bench.temp)


def selvage(name, bench, case, folder, port):
    binary = sv.find_selvage(bench.args.selvage)
    top, server = '', 'root %s;' % case.root
    if name == 'selvage-prebuilt':
        top = 'load_module %s;' % sv.find_module('prebuilt', bench.args.modules)
        server += '\n        prebuilt on;\n        prebuilt_refine off;'
    elif case.coded:
        server += '\n        gzip_static on;'
    conf = sv.server_conf(folder, port, server + tls_directives(bench, case),
                          SELVAGE_HTTP + bench.args.selvage_http, top, listen=' ssl' * bool(case.tls))
    return sv.daemon_argv(binary, folder, sv.write_file(folder + '/selvage.conf', conf)), ()


# The others

def nginx(name, bench, case, folder, port):
    """Files stay open, also those that were looked for and do not exist."""
    http = NGINX_HTTP.replace('TEMP', folder)
    if name == 'nginx-nosf':
        http = http.replace('sendfile on', 'sendfile off') + '\n    output_buffers 1 128k;'
    if case.coded:
        http += '\n    gzip_static on;\n    gzip_vary on;'
    server = 'root %s;' % case.root
    if name == 'nginx-ret':
        text = case.pages[case.page].decode().replace('"', "'")
        server = 'location / { return 200 "%s"; }' % text
    server += tls_directives(bench, case)
    conf = sv.server_conf(folder, port, server, http, listen=' ssl' * bool(case.tls))
    return sv.daemon_argv(sv.find_binary('nginx'), folder,
                          sv.write_file(folder + '/nginx.conf', conf)), ()


def h2o(_name, bench, case, folder, port):
    tls = '  ssl:\n    certificate-file: %s\n    key-file: %s\n' % sv.certificate(bench.temp)
    conf = H2O % dict(common(case, folder, port, 'user: www-data\n'),
                      compressed='ON' if case.coded else 'OFF', tls=tls if case.tls else '')
    return [sv.find_binary('h2o'), '-c', sv.write_file(folder + '/h2o.conf', conf)], ()


def lighttpd(_name, _bench, case, folder, port):
    user = 'server.username = "www-data"\nserver.groupname = "www-data"\n'
    conf = LIGHTTPD % dict(common(case, folder, port, user),
                           gzip=LIGHTTPD_GZIP if case.coded else '')
    return [sv.find_binary('lighttpd'), '-D', '-f',
            sv.write_file(folder + '/lighttpd.conf', conf)], ()


def varnish(_name, bench, case, folder, port):
    """Hits in its cache; what it gets compressed it keeps so. Of its log in memory nothing is left
    that can be masked."""
    binary = sv.find_binary('varnishd')
    records = subprocess.run([binary, '-x', 'vsl'], capture_output=True, text=True, timeout=20,
                             env=sv.environment())
    mask = ','.join('-' + name for name in re.findall(r'^(\w+)\n-+$', records.stdout, re.M))
    behind = backend(bench, case, folder)
    vcl = sv.write_file(folder + '/bench.vcl', VARNISH % behind.port)
    argv = [binary, '-F', '-j', 'none', '-T', 'none', '-n', folder + '/n',
            '-a', '127.0.0.1:%d' % port, '-f', vcl, '-s', 'malloc,1g']
    for key, value in dict(VARNISH_SET, **({'vsl_mask': mask} if mask else {})).items():
        argv += ['-p', '%s=%s' % (key, value)]
    return argv, (behind,)


def haproxy(_name, bench, case, folder, port):
    """Answers that are in its configuration; many pages, which need many rules there, from its
    cache."""
    values = common(case, folder, port, '    user www-data\n    group www-data\n')
    values.update(tuning='', before='', tls='')
    if case.tls:
        cert, key = sv.certificate(bench.temp)
        pair = sv.write_file(folder + '/pair.pem', sv.read_text(cert) + sv.read_text(key))
        values['tls'] = ' ssl crt ' + pair
    if len(case.pages) > 1:
        behind = (backend(bench, case, folder),)
        values['before'] = ('cache bench\n    total-max-size 512\n    max-object-size 100000\n'
                            '    max-age 86400\nbackend ours\n    server ours 127.0.0.1:%d\n'
                            % behind[0].port)
        values['rules'] = '\n    '.join(['http-request cache-use bench',
                                         'http-response cache-store bench',
                                         'default_backend ours'])
    else:
        behind = ()
        values['rules'] = haproxy_return(bench, case)
        # an answer has to fit into a buffer; whole pages for buffers cost up to a half more
        size = len(bench.packed[case.page] if case.coded else case.pages[case.page]) + 4096
        if size > 16384:
            values['tuning'] = '    tune.bufsize %d\n' % (size if size < 65536 else size * 5 // 4)
    conf = sv.write_file(folder + '/haproxy.cfg', HAPROXY % values)
    return [sv.find_binary('haproxy'), '-db', '-f', conf], behind


def haproxy_return(bench, case):
    rule, path = 'http-request return status 200 content-type text/html', case.page
    if case.coded:
        rule += ' hdr Content-Encoding gzip hdr Vary Accept-Encoding'
        path += '.gz'
    rules = [rule + ' file ' + os.path.join(case.root, path)]
    if case.status == 304:
        rules = ['http-request return status 304 hdr ETag \\"1\\" '
                 'if { req.hdr(if-none-match) -m str \\"1\\" }',
                 rules[0] + ' hdr ETag \\"1\\"']
    return '\n    '.join(rules)
